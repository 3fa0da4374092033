import { setImmediate as nextTurn } from "node:timers/promises";
import { byPartOfRegistry } from "../../activity/audit/record-audit.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { markUnlinkedBlobs, scheduleBlobDeletion } from "../../registry/blobs/linked-blob-store.ts";
import { removeManifest } from "../../registry/manifests/delete-manifest.ts";
import { holdManifest, isHeld } from "../../registry/manifests/manifest-hold-store.ts";
import { lockRepositoryForDelete } from "../../registry/repositories/repository-store.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import { isForeignKeyViolation } from "../../storage/database/database-error.ts";
import {
  deleteBlobRow,
  deleteUnnamedLinks,
  forgetDeletions,
  isStillCandidate,
  listBlobCandidates,
  listLinkCandidates,
  listManifestCandidates,
  listPendingDeletions,
  type ManifestCandidate,
  type PendingDeletion,
  reviveIfLinked,
} from "./garbage-store.ts";

/**
 * Removes bytes wherever they lie. What it returns is written down in the transaction that forgets them: what some place that did not answer
 * must still do.
 */
export type RemoveBytes = (bytes: PendingDeletion) => Promise<((tx: Tx) => Promise<void>) | undefined>;

export interface GarbageDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent = `blobs.deleteBlob`. */
  readonly removeBytes?: RemoveBytes | undefined;
  /** How long what nothing names is kept. Longer than the longest push. */
  readonly graceMs: number;
  /** How long manifests without a tag are kept; undefined = for ever. */
  readonly untaggedAfterMs: number | undefined;
}

/** What one pass removed. */
export interface Collected {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** Rows in one transaction or one look: short enough that a push waits milliseconds at most. */
const batchSize = 100;
/** Requests that looked a blob up just before its row went have this long to open it (or the grace, where that is shorter). */
const maxOpenDelayMs = 60_000;
const byCollector = byPartOfRegistry("garbage-collector");

/**
 * One pass over everything whose time is up: manifests, then links, then blobs, then bytes. Works through candidate indexes in small
 * transactions, never scans, and may be stopped or killed anywhere: each step is whole, the next pass goes on. Safe beside
 * pushes, mounts, deletes and other passes. The invariants are in this folder's README.
 */
export async function collectGarbage(deps: GarbageDeps, signal: AbortSignal): Promise<Collected> {
  const nowMs = deps.clock.nowMs();
  const graceCutoffMs = nowMs - deps.graceMs;
  let manifests = await collectManifests(deps, { orphaned: true, beforeMs: graceCutoffMs }, signal);
  if (deps.untaggedAfterMs !== undefined) {
    const beforeMs = nowMs - deps.untaggedAfterMs;
    manifests += await collectManifests(deps, { orphaned: false, beforeMs }, signal);
  }
  const links = await collectLinks(deps, graceCutoffMs, signal);
  const blobs = await collectBlobs(deps, signal);
  const bytes = await removeBytes(deps, signal);
  return { manifests, links, blobs, bytes };
}

async function collectManifests(
  deps: GarbageDeps,
  which: { readonly orphaned: boolean; readonly beforeMs: number },
  signal: AbortSignal,
): Promise<number> {
  let collected = 0;
  for (let afterId = 0; !signal.aborted; ) {
    const batch = await listManifestCandidates(deps.database.read, { ...which, afterId, limit: batchSize });
    for (const candidate of batch) {
      if (signal.aborted) break;
      if (await collectManifest(deps, candidate, which)) collected += 1;
      afterId = candidate.id;
    }
    if (batch.length < batchSize) break;
    await nextTurn();
  }
  return collected;
}

async function collectManifest(
  deps: GarbageDeps,
  candidate: ManifestCandidate,
  which: { readonly orphaned: boolean; readonly beforeMs: number },
): Promise<boolean> {
  return deps.database.transaction(async (tx) => {
    if (!(await lockRepositoryForDelete(tx, candidate.repositoryId))) return false;
    if (!(await isStillCandidate(tx, { ...which, id: candidate.id }))) return false;
    // The column says nobody holds it; what is there decides.
    if (await isHeld(tx, candidate.id)) {
      await holdManifest(tx, candidate.id);
      return false;
    }
    await removeManifest(tx, byCollector, { ...candidate, nowMs: deps.clock.nowMs() });
    return true;
  });
}

async function collectLinks(deps: GarbageDeps, beforeMs: number, signal: AbortSignal): Promise<number> {
  let collected = 0;
  while (!signal.aborted) {
    const batch = await listLinkCandidates(deps.database.read, { beforeMs, limit: batchSize });
    const byRepository = Map.groupBy(batch, (link) => link.repositoryId);
    for (const [repositoryId, links] of byRepository) {
      collected += await deps.database.transaction(async (tx) => {
        if (!(await lockRepositoryForDelete(tx, repositoryId))) return 0;
        const digests = links.map((link) => link.digest);
        const blobIds = await deleteUnnamedLinks(tx, { repositoryId, digests, beforeMs });
        await markUnlinkedBlobs(tx, blobIds, deps.clock.nowMs());
        return blobIds.length;
      });
    }
    if (batch.length < batchSize) break;
    await nextTurn();
  }
  return collected;
}

/**
 * Blobs without a link go at once: nobody can see them, and a push or mount of the same content revives the row in its own transaction. Their
 * bytes are only written down for removal here.
 */
async function collectBlobs(deps: GarbageDeps, signal: AbortSignal): Promise<number> {
  let collected = 0;
  while (!signal.aborted) {
    const beforeMs = deps.clock.nowMs();
    const batch = await listBlobCandidates(deps.database.read, { beforeMs, limit: batchSize });
    for (const blob of batch) {
      try {
        const removed = await deps.database.transaction(async (tx) => {
          if (await reviveIfLinked(tx, blob.id)) return false;
          if (!(await deleteBlobRow(tx, blob.id, beforeMs))) return false;
          const notBeforeMs = deps.clock.nowMs() + Math.min(maxOpenDelayMs, deps.graceMs);
          await scheduleBlobDeletion(tx, { ...blob, notBeforeMs }).execute();
          return true;
        });
        if (removed) collected += 1;
      } catch (error) {
        // A link came at the same moment: the blob lives, the next pass clears its candidacy.
        if (!isForeignKeyViolation(error)) throw error;
        deps.log.debug({ digest: blob.digest }, "a blob was linked while it was being collected");
      }
    }
    if (batch.length < batchSize) break;
    await nextTurn();
  }
  return collected;
}

/** Removes bytes, then their note: a crash in between repeats the removal, which is no error. */
async function removeBytes(deps: GarbageDeps, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  while (!signal.aborted) {
    const nowMs = deps.clock.nowMs();
    const batch = await listPendingDeletions(deps.database.read, { nowMs, limit: batchSize });
    for (const { location, sizeBytes } of batch) {
      if (signal.aborted) return bytes;
      const owe =
        deps.removeBytes === undefined
          ? await deps.blobs.deleteBlob(location)
          : await deps.removeBytes({ location, sizeBytes });
      const forget = async (tx: Tx): Promise<void> => {
        await forgetDeletions(tx, [location]);
        await owe?.(tx);
      };
      await deps.database.transaction(forget, { durable: false });
      bytes += sizeBytes;
    }
    if (batch.length < batchSize) break;
    await nextTurn();
  }
  return bytes;
}
