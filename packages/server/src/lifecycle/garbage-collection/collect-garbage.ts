import { setImmediate as letOthers } from "node:timers/promises";
import { byPartOfRegistry } from "../../activity/audit/record-audit.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { holdLinkedBlobs, markUnlinkedBlobs } from "../../registry/blobs/linked-blob-store.ts";
import { removeManifest } from "../../registry/manifests/delete-manifest.ts";
import { holdManifest, isHeld } from "../../registry/manifests/manifest-hold-store.ts";
import { lockRepositoryForDelete } from "../../registry/repositories/repository-store.ts";
import type { BlobLocation, BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import { isForeignKeyViolation } from "../../storage/database/database-error.ts";
import {
  deleteUnlinkedBlobs,
  deleteUnnamedLinks,
  forgetDeletions,
  isStillCandidate,
  listBlobCandidates,
  listLinkCandidates,
  listManifestCandidates,
  listPendingDeletions,
  type ManifestCandidate,
  type PendingDeletion,
  postponeDeletions,
} from "./garbage-store.ts";
import { createPace, type KeepPace } from "./keep-pace.ts";

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
  /** Absent = `blobs.deleteBlob`. Several run at once. */
  readonly removeBytes?: RemoveBytes | undefined;
  /** How long what nothing names is kept. Longer than the longest push. */
  readonly graceMs: number;
  /** How long manifests without a tag are kept; undefined = for ever. */
  readonly untaggedAfterMs: number | undefined;
  /** How much of the time a pass may work; absent = all of it. See `createPace`. */
  readonly loadPercent?: number;
}

/** What one pass removed. */
export interface Collected {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Rows in one transaction or one look: short enough that a push waits milliseconds at most, and that no statement keeps SQLite, which works on this
 * process's own thread, for more than one or two.
 */
const batchSize = 50;
/** Links, then blobs, then bytes, so many of each at most before it is the next one's turn: room is made from the beginning, not at the end of a long pass. */
const sliceSize = 1_000;
/** Bytes that are removed from the blob store at once: an object store answers each request late, but many together. */
const removalsAtOnce = 4;
/** Requests that looked a blob up just before its row went have this long to open it (or the grace, where that is shorter). */
const maxOpenDelayMs = 60_000;
/** What the store has refused to remove is asked for again so much later: locked objects, however many, are in nobody's way. */
const refusedAgainMs = 600_000;
const byCollector = byPartOfRegistry("garbage-collector");

/**
 * One pass over everything whose time is up: manifests, then links, then blobs, then bytes. Works through candidate indexes in small
 * transactions, never scans, and may be stopped or killed anywhere: each step is whole, the next pass goes on. Safe beside
 * pushes, mounts, deletes and other passes. The invariants are in this folder's README.
 */
export async function collectGarbage(deps: GarbageDeps, signal: AbortSignal): Promise<Collected> {
  const nowMs = deps.clock.nowMs();
  const graceCutoffMs = nowMs - deps.graceMs;
  const pace = createPace(deps.loadPercent ?? 100);
  let manifests = await collectManifests(deps, { orphaned: true, beforeMs: graceCutoffMs }, pace, signal);
  if (deps.untaggedAfterMs !== undefined) {
    const beforeMs = nowMs - deps.untaggedAfterMs;
    manifests += await collectManifests(deps, { orphaned: false, beforeMs }, pace, signal);
  }
  const round: Round = { pace, signal };
  const sums = { links: 0, blobs: 0, bytes: 0 };
  let failure: Failure | undefined;
  for (let isMore = true; isMore && !signal.aborted; ) {
    const links = await collectLinks(deps, graceCutoffMs, round);
    const blobs = await collectBlobs(deps, round);
    const bytes = await removeBytes(deps, round);
    sums.links += links.count;
    sums.blobs += blobs.count;
    sums.bytes += bytes.count;
    failure ??= bytes.failure;
    isMore = links.isMore || blobs.isMore || bytes.isMore;
  }
  // Whoever asked is told; the next pass tries again.
  if (failure !== undefined) throw failure.error;
  return { manifests, ...sums };
}

interface Round {
  readonly pace: KeepPace;
  readonly signal: AbortSignal;
}

/** What a slice of a pass did, and whether it ended before there was nothing left. */
interface Part {
  readonly count: number;
  readonly isMore: boolean;
}

async function collectManifests(
  deps: GarbageDeps,
  which: { readonly orphaned: boolean; readonly beforeMs: number },
  pace: KeepPace,
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
    await pace(signal);
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

async function collectLinks(deps: GarbageDeps, beforeMs: number, round: Round): Promise<Part> {
  let count = 0;
  let looked = 0;
  let fromMs = 0;
  while (!round.signal.aborted && looked < sliceSize) {
    const batch = await listLinkCandidates(deps.database.read, { fromMs, beforeMs, limit: batchSize });
    const byRepository = Map.groupBy(batch, (link) => link.repositoryId);
    for (const [repositoryId, links] of byRepository) {
      count += await deps.database.transaction(async (tx) => {
        if (!(await lockRepositoryForDelete(tx, repositoryId))) return 0;
        const digests = links.map((link) => link.digest);
        await holdLinkedBlobs(tx, { repositoryId, digests });
        await letOthers();
        const blobIds = await deleteUnnamedLinks(tx, { repositoryId, digests, beforeMs });
        await letOthers();
        await markUnlinkedBlobs(tx, blobIds, deps.clock.nowMs());
        return blobIds.length;
      });
    }
    looked += batch.length;
    if (batch.length < batchSize) return { count, isMore: false };
    // What was before is gone; its entries in the index are not, until the database has cleaned up.
    fromMs = batch.at(-1)?.sinceMs ?? fromMs;
    await round.pace(round.signal);
  }
  return { count, isMore: true };
}

/**
 * Blobs without a link go at once: nobody can see them, and a push or mount of the same content revives the row in its own transaction. Their
 * bytes are only written down for removal here.
 */
async function collectBlobs(deps: GarbageDeps, round: Round): Promise<Part> {
  let count = 0;
  let fromMs = 0;
  while (!round.signal.aborted && count < sliceSize) {
    const beforeMs = deps.clock.nowMs();
    const batch = await listBlobCandidates(deps.database.read, { fromMs, beforeMs, limit: batchSize });
    if (batch.length === 0) return { count, isMore: false };
    const notBeforeMs = beforeMs + Math.min(maxOpenDelayMs, deps.graceMs);
    const ids = batch.map(({ id }) => id);
    const done = await deps.database
      .transaction((tx) => deleteUnlinkedBlobs(tx, ids, { beforeMs, notBeforeMs }))
      .catch((error: unknown) => {
        // Links that the statements did not see, by whatever bug: the blobs live, the next pass looks again.
        if (!isForeignKeyViolation(error)) throw error;
        deps.log.debug({}, "a blob was linked while it was being collected");
        return { deleted: 0, revived: 0 };
      });
    count += done.deleted;
    // Those that somebody else holds at this moment are for the next pass: so are they all, when there are no others.
    if (batch.length < batchSize || done.deleted + done.revived === 0) return { count, isMore: false };
    fromMs = batch.at(-1)?.sinceMs ?? fromMs;
    await round.pace(round.signal);
  }
  return { count, isMore: true };
}

interface Removals extends Part {
  /** Why some bytes were not removed, the first reason. */
  readonly failure: Failure | undefined;
}

interface Failure {
  readonly error: unknown;
}

/**
 * Removes bytes, then their notes: a crash in between repeats the removals, which is no error. What the store refuses to remove stays noted for a later
 * pass, and what comes after it is removed all the same; a batch of which nothing was removed ends it, as then the store is away.
 */
async function removeBytes(deps: GarbageDeps, round: Round): Promise<Removals> {
  let count = 0;
  let looked = 0;
  let fromMs = 0;
  let failure: Failure | undefined;
  while (!round.signal.aborted && looked < sliceSize) {
    const nowMs = deps.clock.nowMs();
    const batch = await listPendingDeletions(deps.database.read, { fromMs, nowMs, limit: batchSize });
    const done = await removeBatch(deps, batch, round.signal);
    failure ??= done.failure;
    count += done.bytes;
    looked += batch.length;
    const isAway = done.failure !== undefined && done.removed === 0;
    if (isAway || batch.length < batchSize) return { count, isMore: false, failure };
    fromMs = batch.at(-1)?.notBeforeMs ?? fromMs;
    await round.pace(round.signal);
  }
  return { count, isMore: true, failure };
}

interface RemovedBatch {
  readonly removed: number;
  readonly bytes: number;
  readonly failure: Failure | undefined;
}

/** So many failures of a batch before anything of it was removed are enough to believe that the store is away. */
const failuresInVain = 8;

/** What was removed is forgotten, whatever became of the others: these wait. */
async function removeBatch(
  deps: GarbageDeps,
  batch: readonly PendingDeletion[],
  signal: AbortSignal,
): Promise<RemovedBatch> {
  const removed: PendingDeletion[] = [];
  const owed: ((tx: Tx) => Promise<void>)[] = [];
  const refused: PendingDeletion[] = [];
  let failure: Failure | undefined;
  const waiting = batch.values();
  const removeSome = async () => {
    for (const each of waiting) {
      if (signal.aborted || (removed.length === 0 && refused.length >= failuresInVain)) return;
      try {
        const owe = deps.removeBytes
          ? await deps.removeBytes(each)
          : await deps.blobs.deleteBlob(each.location);
        if (owe) owed.push(owe);
        removed.push(each);
      } catch (error) {
        refused.push(each);
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: removalsAtOnce }, removeSome));
  if (removed.length + refused.length > 0) {
    const write = async (tx: Tx): Promise<void> => {
      await forgetDeletions(tx, removed.map(locationOf));
      await postponeDeletions(tx, refused.map(locationOf), deps.clock.nowMs() + refusedAgainMs);
      for (const owe of owed) await owe(tx);
    };
    await deps.database.transaction(write, { durable: false });
  }
  return {
    removed: removed.length,
    bytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    failure,
  };
}

function locationOf({ location }: PendingDeletion): BlobLocation {
  return location;
}
