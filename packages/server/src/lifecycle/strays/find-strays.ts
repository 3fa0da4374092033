import type { Clock } from "../../lib/clock.ts";
import type { BlobStore, StoredObject } from "../../storage/blob-store/blob-store.ts";
import { partsOfLocation } from "../../storage/blob-store/names.ts";
import type { Database } from "../../storage/database/database.ts";
import { findKnown } from "./stray-store.ts";

export interface StrayDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Where bytes lie, when that is in several regions: each is looked at by itself. Absent = in `blobs`. */
  readonly places?: readonly BlobStore[] | undefined;
  readonly clock: Clock;
  /** Younger objects are passed over: their row may be about to come. */
  readonly strayGraceMs: number;
}

const batchSize = 200;

/**
 * Everything in the blob store that SQL does not know and that is older than the grace: uploads whose row is gone, unfinished multipart uploads, bytes
 * that a crash moved to their place and nobody ever learnt of. Reads the whole listing of the store, a batch at a time. Changes nothing.
 */
export async function* findStrays(deps: StrayDeps, signal: AbortSignal): AsyncGenerator<StoredObject> {
  const beforeMs = deps.clock.nowMs() - deps.strayGraceMs;
  let batch: StoredObject[] = [];
  for await (const object of deps.blobs.list()) {
    if (signal.aborted) return;
    if (object.modifiedAtMs > beforeMs) continue;
    batch.push(object);
    if (batch.length < batchSize) continue;
    yield* await strayOf(deps, batch);
    batch = [];
  }
  yield* await strayOf(deps, batch);
}

async function strayOf(deps: StrayDeps, objects: readonly StoredObject[]): Promise<readonly StoredObject[]> {
  if (objects.length === 0) return [];
  const blobs = objects
    .filter(({ kind }) => kind === "blob")
    .map(({ name }) => ({ name, ...partsOfLocation(name) }));
  const uploads = objects.filter(({ kind }) => kind === "upload").map(({ name }) => name);
  const uploadIdOf = new Map(blobs.map(({ name, uploadId }) => [name, uploadId]));
  const known = await findKnown(deps.database.read, {
    digests: blobs.map(({ digest }) => digest),
    locations: blobs.map(({ name }) => name),
    // Bytes that lie in their place while their upload is still open are that upload's business.
    uploadIds: [...uploads, ...uploadIdOf.values()],
  });
  return objects.filter(({ kind, name }) =>
    kind === "upload"
      ? !known.uploadIds.has(name)
      : !known.locations.has(name) && !known.uploadIds.has(uploadIdOf.get(name) ?? ""),
  );
}
