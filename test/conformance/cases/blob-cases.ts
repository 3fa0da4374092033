import { CaseProblem, failure, unsupported } from "../case-problem.ts";
import type { Content } from "../data-sets/data-set.ts";
import { algorithmOf } from "../data-sets/data-set.ts";
import { expectDigestHeader, expectLocation, expectReply } from "../expectations.ts";
import type { HttpReply } from "../http-exchange.ts";
import type { ExchangeLog } from "../registry-client.ts";
import type { ResultGroup, Step } from "../results.ts";
import type { PushMethod, RunContext } from "../run-context.ts";
import type { BlobPush } from "./blob-upload.ts";
import { closeUpload, expectPullable, openUpload } from "./blob-upload.ts";
import { pushBlob } from "./push-blob.ts";
import type { ChunkPlan } from "./push-blob-in-chunks.ts";
import { pushInChunks } from "./push-blob-in-chunks.ts";

/** A blob in a repository, as the subject of a case. */
export interface BlobPlace {
  readonly run: RunContext;
  readonly group: ResultGroup;
  readonly repository: string;
  readonly blob: Content;
}

export interface PushOptions {
  /** The bytes do not match the digest; the push must be refused. Default: false. */
  readonly isDigestWrong?: boolean;
  /** For `patch-chunked`. Default: in order, closed by an empty PUT. */
  readonly chunks?: ChunkPlan;
}

/** Pushes a blob by one method. Resolves with true on a Pass. */
export async function pushBlobCase(
  place: BlobPlace,
  method: PushMethod,
  options: PushOptions = {},
): Promise<boolean> {
  const { chunks } = options;
  const hasPassed = await runBlobCase(place, `blob-${method}`, "push", (log) => {
    const push = { ...pushOf(place, log), isDigestWrong: options.isDigestWrong ?? false };
    return method === "patch-chunked" && chunks !== undefined
      ? pushInChunks(push, chunks)
      : pushBlob(method, push);
  });
  place.run.pushMemory.rememberPush(method, algorithmOf(place.blob.digest), hasPassed);
  return hasPassed;
}

/**
 * Pushes a blob by whichever method is most useful to try, and goes on with the others until one passes; every attempt is
 * a case of its own. Resolves with true when the blob is there.
 */
export async function pushBlobAnyhow(place: BlobPlace): Promise<boolean> {
  for (const method of place.run.pushMemory.methodsToTry(algorithmOf(place.blob.digest))) {
    if (await pushBlobCase(place, method)) return true;
  }
  return false;
}

/** Mounts a blob from `from`, or from wherever the registry finds it when `from` is undefined. */
export function mountBlobCase(place: BlobPlace, from: string | undefined): Promise<boolean> {
  const name = from === undefined ? "blob-mount-anonymous" : "blob-mount";
  return runBlobCase(place, name, "push", async (log) => {
    const push = pushOf(place, log);
    const [reply, location] = await requestMount(push, from);
    if (reply.status === 202) {
      await closeUpload(push, location, place.blob.bytes);
      throw unsupported("the mount was answered 202: the blob had to be pushed");
    }
    expectDigestHeader(reply, place.blob.digest, false);
    await expectPullable(push, location);
  });
}

/** A blob that is nowhere cannot be mounted: the registry must open an upload instead, and that upload must work. */
export function mountMissingBlobCase(place: BlobPlace, from: string): Promise<boolean> {
  return runBlobCase(place, "blob-mount", "push", async (log) => {
    const push = pushOf(place, log);
    const [reply, location] = await requestMount(push, from);
    if (reply.status === 201) throw failure("the mount of a blob that does not exist was answered 201");
    await closeUpload(push, location, place.blob.bytes);
  });
}

/** Cancels an upload before any byte was sent (draft, end-14). */
export function cancelUploadCase(place: BlobPlace): Promise<boolean> {
  return runBlobCase(place, "blob-post-cancel", "push", async (log) => {
    if (!place.run.profile.cancelsUploads)
      throw new CaseProblem("Disabled", "the profile does not cancel uploads");
    const [location] = await openUpload(pushOf(place, log));
    const reply = await place.run.client.send({ method: "DELETE", url: location }, log);
    expectReply(reply, { status: [204] });
  });
}

/** HEAD of a blob that is there. */
export function headBlobCase(place: BlobPlace): Promise<boolean> {
  return runBlobCase(place, "blob-head", "pull", (log) => readBlob(place, "HEAD", new Uint8Array(), log));
}

/** GET of a blob that is there. */
export function getBlobCase(place: BlobPlace): Promise<boolean> {
  return runBlobCase(place, "blob-get", "pull", (log) => readBlob(place, "GET", place.blob.bytes, log));
}

/** GET of a blob that was never pushed. */
export function getMissingBlobCase(place: BlobPlace): Promise<boolean> {
  return runBlobCase(place, "get-missing", "pull", async (log) => {
    expectReply(await place.run.client.send({ method: "GET", url: blobUrl(place) }, log), { status: [404] });
  });
}

/** DELETE of a blob, which may be gone already, and the 404 right after it: two outcomes. */
export function deleteBlobCase(place: BlobPlace): Promise<boolean> {
  const url = blobUrl(place);
  const remove: Step = async (log) => {
    const reply = await place.run.client.send({ method: "DELETE", url }, log);
    if (reply.status === 405) throw unsupported("deleting a blob was answered 405");
    expectReply(reply, { status: [202, 404] });
  };
  const isGone: Step = async (log) => {
    expectReply(await place.run.client.send({ method: "HEAD", url }, log), { status: [404] });
  };
  return runBlobCase(place, "blob-delete", "management", remove, isGone);
}

/** The address of the blob below its repository. */
export function blobUrl(place: BlobPlace): URL {
  return place.run.client.urlOf(`${place.repository}/blobs/${place.blob.digest}`);
}

async function readBlob(
  place: BlobPlace,
  method: "HEAD" | "GET",
  body: Uint8Array,
  log: ExchangeLog,
): Promise<void> {
  const reply = await place.run.client.send({ method, url: blobUrl(place) }, log);
  expectReply(reply, { status: [200], headers: { "Content-Length": String(place.blob.bytes.length) }, body });
  expectDigestHeader(reply, place.blob.digest, place.run.profile.requiresDigestHeader);
}

async function requestMount(push: BlobPush, from: string | undefined): Promise<[HttpReply, URL]> {
  const url = push.run.client.urlOf(`${push.repository}/blobs/uploads/`);
  url.searchParams.set("mount", push.blob.digest);
  if (from !== undefined) url.searchParams.set("from", from);
  const reply = await push.run.client.send({ method: "POST", url }, push.log);
  expectReply(reply, { status: [201, 202] });
  return [reply, expectLocation(reply, url)];
}

function pushOf(place: BlobPlace, log: ExchangeLog): BlobPush {
  return { run: place.run, repository: place.repository, blob: place.blob, isDigestWrong: false, log };
}

function runBlobCase(
  place: BlobPlace,
  name: string,
  category: "pull" | "push" | "management",
  ...steps: readonly Step[]
): Promise<boolean> {
  return place.group.runCase({ name, category, subject: place.blob.digest }, ...steps);
}
