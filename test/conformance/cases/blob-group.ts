import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { DigestAlgorithm } from "../content-digest.ts";
import { contentDigest } from "../content-digest.ts";
import type { Content } from "../data-sets/data-set.ts";
import type { ResultGroup } from "../results.ts";
import type { RunContext } from "../run-context.ts";
import type { BlobPlace } from "./blob-cases.ts";
import * as blobCases from "./blob-cases.ts";
import { rangeBlobBytes, runRangeCases } from "./range-cases.ts";

const smallBlobBytes = 512;

/** Makes one named group of cases; asks `isSelected` for the whole path first, so that a run can be narrowed down. */
export interface BlobGroupOptions {
  readonly run: RunContext;
  readonly group: ResultGroup;
  readonly algorithm: DigestAlgorithm;
  readonly isSelected: (path: string) => boolean;
}

/** All blob cases with one digest algorithm: 89 results when nothing is skipped. */
export async function runBlobGroup(options: BlobGroupOptions): Promise<void> {
  const { run, algorithm } = options;
  const newBlob = (sizeBytes: number): Content => randomContent(algorithm, sizeBytes);
  const inGroup = async (
    name: string,
    blob: Content,
    body: (place: BlobPlace) => Promise<unknown>,
  ): Promise<void> => {
    if (!options.isSelected(`${options.group.path}/${name}`)) return;
    await body({ run, group: options.group.addGroup(name), repository: run.repository, blob });
  };

  if (options.isSelected(`${options.group.path}/get-missing`)) {
    const { group } = options;
    await blobCases.getMissingBlobCase({
      run,
      group,
      repository: run.repository,
      blob: newBlob(smallBlobBytes),
    });
  }
  await runSinglePushes(inGroup, newBlob);
  await runMounts(inGroup, newBlob, run);
  await inGroup("post cancel", newBlob(smallBlobBytes), async (place) => {
    await blobCases.cancelUploadCase(place);
    await blobCases.deleteBlobCase(place);
  });
  await runChunkedPushes(inGroup, newBlob, run);
  await inGroup("range requests", newBlob(rangeBlobBytes), async (place) => {
    await runRangeCases(place, await blobCases.pushBlobAnyhow(place));
    await blobCases.deleteBlobCase(place);
  });
  for (const [name, text] of [
    ["empty", ""],
    ["emptyJSON", "{}"],
  ] as const) {
    await inGroup(name, contentOf(algorithm, Buffer.from(text)), async (place) => {
      await blobCases.pushBlobAnyhow(place);
      await blobCases.headBlobCase(place);
      await blobCases.getBlobCase(place);
      await blobCases.deleteBlobCase(place);
    });
  }
  await runBadDigests(inGroup, newBlob, run);
}

type InGroup = (name: string, blob: Content, body: (place: BlobPlace) => Promise<unknown>) => Promise<void>;
type NewBlob = (sizeBytes: number) => Content;

async function runSinglePushes(inGroup: InGroup, newBlob: NewBlob): Promise<void> {
  const pushes = [
    ["post only", "post-only"],
    ["post+put", "post-put"],
    ["chunked single", "patch-chunked"],
    ["stream", "patch-stream"],
  ] as const;
  for (const [name, method] of pushes) {
    await inGroup(name, newBlob(smallBlobBytes), async (place) => {
      await readAndDelete(place, await blobCases.pushBlobCase(place, method));
    });
  }
}

async function runMounts(inGroup: InGroup, newBlob: NewBlob, run: RunContext): Promise<void> {
  for (const [name, from] of [
    ["mount", run.mountSource],
    ["mount anonymous", undefined],
  ] as const) {
    await inGroup(name, newBlob(smallBlobBytes), async (place) => {
      const source = { ...place, repository: run.mountSource };
      await blobCases.pushBlobAnyhow(source);
      await readAndDelete(place, await blobCases.mountBlobCase(place, from));
      await blobCases.deleteBlobCase(source);
    });
  }
  await inGroup("mount missing", newBlob(smallBlobBytes), async (place) => {
    await readAndDelete(place, await blobCases.mountMissingBlobCase(place, run.mountSource));
  });
}

async function runChunkedPushes(inGroup: InGroup, newBlob: NewBlob, run: RunContext): Promise<void> {
  const plans = [
    ["chunked multi", { closesWithChunk: false, isOutOfOrder: false }],
    ["chunked multi and put chunk", { closesWithChunk: true, isOutOfOrder: false }],
    ["chunked out-of-order", { closesWithChunk: false, isOutOfOrder: true }],
    ["chunked out-of-order and put chunk", { closesWithChunk: true, isOutOfOrder: true }],
  ] as const;
  for (const [name, chunks] of plans) {
    await inGroup(name, newBlob(threeChunks(run)), async (place) => {
      await readAndDelete(place, await blobCases.pushBlobCase(place, "patch-chunked", { chunks }));
    });
  }
}

async function runBadDigests(inGroup: InGroup, newBlob: NewBlob, run: RunContext): Promise<void> {
  const putChunk = { closesWithChunk: true, isOutOfOrder: false };
  const pushes = [
    ["bad digest post only", "post-only", {}],
    ["bad digest post+put", "post-put", {}],
    ["bad digest chunked", "patch-chunked", {}],
    ["bad digest chunked and put chunk", "patch-chunked", { chunks: putChunk }],
    ["bad digest stream", "patch-stream", {}],
  ] as const;
  for (const [name, method, options] of pushes) {
    const { digest, bytes } = newBlob(threeChunks(run));
    const blob = { digest, bytes: Buffer.concat([bytes, Buffer.from("other")]) };
    await inGroup(name, blob, (place) =>
      blobCases.pushBlobCase(place, method, { ...options, isDigestWrong: true }),
    );
  }
}

/** Reading is only tried when the push passed; deleting always is, since the registry may have stored the blob anyway. */
async function readAndDelete(place: BlobPlace, isPushed: boolean): Promise<void> {
  if (isPushed) {
    await blobCases.headBlobCase(place);
    await blobCases.getBlobCase(place);
  }
  await blobCases.deleteBlobCase(place);
}

/** Three chunks of which the last is a little shorter. */
function threeChunks(run: RunContext): number {
  return run.pushMemory.chunkMinimumBytes * 3 - 5;
}

function randomContent(algorithm: DigestAlgorithm, sizeBytes: number): Content {
  return contentOf(algorithm, randomBytes(sizeBytes));
}

function contentOf(algorithm: DigestAlgorithm, bytes: Uint8Array): Content {
  return { digest: contentDigest(algorithm, bytes), bytes };
}
