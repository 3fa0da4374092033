import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { digestAlgorithm, digestHex, parseDigest } from "@entrepot/oci/digest";
import { AppError } from "../../lib/app-error.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Problem } from "./problem.ts";
import type { RegionLooks } from "./region-looks.ts";
import { verifyCopies } from "./verify-copies.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { type BlobRow, isBlobAt, listBlobs, listUsersOf, setQuarantine } from "./verify-store.ts";

const pageSize = 200;
const readBytes = 1_048_576;
const maxUsers = 20;

export interface BlobProgress {
  /** All blobs up to this id have been looked at. */
  readonly afterId: number;
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Looks at every blob after `afterId`: are its bytes there, of the right size and digest? What is wrong is looked up again before it is told, as blobs
 * may be collected meanwhile. A repair puts it into quarantine: nobody is served wrong bytes, and the next push of the content heals it;
 * one in quarantine whose bytes are sound after all comes out. Of one that only a region may have that does not answer nothing is said. May run beside everything else. `onPage`
 * after each page.
 */
export async function verifyBlobs(
  deps: VerifyDeps,
  options: VerifyOptions,
  looks: RegionLooks,
  afterId: number,
  onPage: (progress: BlobProgress) => Promise<void>,
): Promise<BlobProgress> {
  const pace = createPace(options.bytesPerSecond, options.signal);
  let progress: BlobProgress = { afterId, blobs: 0, bytes: 0 };
  for (;;) {
    const page = await listBlobs(deps.database.read, progress.afterId, pageSize);
    const placed = await deps.regions?.placedIn(page.map(({ id }) => id));
    let next = 0;
    let bytes = 0;
    const work = async (): Promise<void> => {
      for (let blob = page[next++]; blob !== undefined; blob = page[next++]) {
        options.signal.throwIfAborted();
        await verifyBlob(deps, options, looks, { blob, copiesIn: placed?.get(blob.id) ?? [] }, pace);
        bytes += blob.sizeBytes;
      }
    };
    await Promise.all(Array.from({ length: options.parallel }, work));
    const last = page.at(-1);
    if (last === undefined) return progress;
    progress = { afterId: last.id, blobs: progress.blobs + page.length, bytes: progress.bytes + bytes };
    await onPage(progress);
  }
}

type Pace = (bytes: number) => Promise<void>;

/** Waits so that the bytes of all readers together come no faster than allowed. */
function createPace(bytesPerSecond: number | undefined, signal: AbortSignal): Pace {
  let freeAtMs = performance.now();
  return async (bytes) => {
    if (bytesPerSecond === undefined) return;
    const nowMs = performance.now();
    const waitMs = freeAtMs - nowMs;
    freeAtMs = Math.max(freeAtMs, nowMs) + (bytes * 1_000) / bytesPerSecond;
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
  };
}

async function verifyBlob(
  deps: VerifyDeps,
  options: VerifyOptions,
  looks: RegionLooks,
  { blob, copiesIn }: { readonly blob: BlobRow; readonly copiesIn: readonly string[] },
  pace: Pace,
): Promise<void> {
  const look = (store: BlobStore) => whatIsWrong(store, options, blob, pace);
  const wrong =
    deps.regions === undefined
      ? ((await look(deps.blobs)) ?? "sound")
      : await verifyCopies(deps, options, { ...deps.regions, looks }, { blob, copiesIn }, look);
  if (wrong === "unseen") return;
  if (wrong === "sound") {
    if (blob.isQuarantined && options.repair && options.hash) {
      await deps.database.transaction((tx) => setQuarantine(tx, blob, null));
    }
    return;
  }
  // Collected, or pushed anew, while it was read.
  if (!(await isBlobAt(deps.database.read, blob))) return;
  const isSet =
    options.repair &&
    !blob.isQuarantined &&
    (await deps.database.transaction((tx) => setQuarantine(tx, blob, deps.clock.nowMs())));
  options.onProblem({
    kind: wrong.kind,
    subject: blob.digest,
    detail: `${wrong.detail}; it lies at ${blob.location}`,
    affects: [...new Set(await listUsersOf(deps.database.read, blob.digest, maxUsers))],
    outcome: isSet || blob.isQuarantined ? "quarantined" : "found",
  });
}

async function whatIsWrong(
  blobs: BlobStore,
  options: VerifyOptions,
  blob: BlobRow,
  pace: Pace,
): Promise<Pick<Problem, "kind" | "detail"> | undefined> {
  const digest = parseDigest(blob.digest);
  try {
    const reader = await blobs.openBlob(blob.location);
    try {
      if (reader.sizeBytes !== blob.sizeBytes) {
        return { kind: "blob-damaged", detail: `has ${reader.sizeBytes} bytes, not ${blob.sizeBytes}` };
      }
      if (!options.hash) {
        if (await blobs.hasWhole(blob.location, blob.sizeBytes)) return undefined;
        return { kind: "blob-damaged", detail: "not all its bytes are there" };
      }
      const hash = createHash(digestAlgorithm(digest));
      const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(readBytes, blob.sizeBytes)));
      for (let position = 0; position < blob.sizeBytes; ) {
        options.signal.throwIfAborted();
        const wanted = buffer.subarray(0, Math.min(buffer.byteLength, blob.sizeBytes - position));
        await pace(wanted.byteLength);
        const got = await reader.read(wanted, position);
        if (got === 0)
          return { kind: "blob-damaged", detail: `ends after ${position} of ${blob.sizeBytes} bytes` };
        hash.update(wanted.subarray(0, got));
        position += got;
      }
      const hex = hash.digest("hex");
      if (hex === digestHex(digest)) return undefined;
      return { kind: "blob-damaged", detail: `its bytes have the digest ${digestAlgorithm(digest)}:${hex}` };
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof AppError && error.code === "BLOB_UNKNOWN") {
      return { kind: "blob-missing", detail: "its bytes are not there" };
    }
    throw error;
  }
}
