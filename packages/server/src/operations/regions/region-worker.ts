import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import { inRegion, type Region } from "../../storage/blob-store/regions/region.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  type DuePlacement,
  findStates,
  forgetSurplus,
  keepSurplus,
  listDue,
  markPlaced,
  noteUnwanted,
  postpone,
  wantAgain,
} from "./blob-placement-store.ts";
import { copyBlob, hasBlob } from "./copy-blob.ts";
import { forgetOwedDeletion, listOwedDeletions, postponeDeletion } from "./region-deletion-store.ts";
import { underRegionLease } from "./under-region-lease.ts";

export interface RegionWorkerDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly regional: RegionalBlobStore;
  readonly instanceId: string;
  /** Copies to one region that are made at once. */
  readonly copiesAtOnce: number;
  /** How long a copy must have been there before others are removed on its account: longer than any request to a store goes on. */
  readonly settleMs: number;
  readonly onCopied: (region: string, bytes: number, waitedMs: number) => void;
  readonly onFailed: (region: string) => void;
}

/** How one round for a region went. */
export interface Round {
  readonly done: number;
  readonly failed: number;
}

const answerMs = 15_000;
const batchSize = 100;
const firstPauseMs = 2_000;
const longestPauseMs = 60_000;
const nothing: Round = { done: 0, failed: 0 };

/**
 * Does what is due in one region: copies, removals, deletions that it owes. One process at a time, under a lease; `nothing` when another holds it, the region
 * does not answer, or there is nothing. A region that does not answer costs one look every few seconds, and no attempt of any row. Of work that is not older than
 * `leaveToOthersMs` nothing is done.
 */
export async function workForRegion(
  deps: RegionWorkerDeps,
  region: Region,
  leaveToOthersMs: number,
  signal: AbortSignal,
): Promise<Round> {
  // Also when nothing is due: so this process learns that the region is back.
  if (!(await answers(region))) return nothing;
  const nowMs = deps.clock.nowMs() - leaveToOthersMs;
  const { read } = deps.database;
  const isDue =
    (await listDue(read, region.name, { nowMs, limit: 1 })).length > 0 ||
    (await listOwedDeletions(read, region.name, { nowMs, limit: 1 })).length > 0;
  if (!isDue) return nothing;
  const round = await underRegionLease(deps, region.name, signal, async (held) => {
    const owed = await payDeletions(deps, region, held);
    const due = await listDue(read, region.name, { nowMs: deps.clock.nowMs(), limit: batchSize });
    let [next, done, failed] = [0, owed.done, owed.failed];
    const work = async (): Promise<void> => {
      for (let blob = due[next++]; blob !== undefined; blob = due[next++]) {
        if (held.aborted || region.watch.isDown()) return;
        if (await settle(deps, region, blob, held)) done += 1;
        else failed += 1;
      }
    };
    await Promise.all(Array.from({ length: deps.copiesAtOnce }, work));
    return { done, failed };
  });
  return round ?? nothing;
}

async function answers(region: Region): Promise<boolean> {
  if (!region.watch.isDoubtful()) return true;
  return inRegion(region, answerMs, (store) => store.probe()).then(
    () => true,
    () => false,
  );
}

/** Deletions that were made everywhere else while the region was away. Tells how many. */
async function payDeletions(deps: RegionWorkerDeps, region: Region, signal: AbortSignal): Promise<Round> {
  let [done, failed] = [0, 0];
  while (!signal.aborted && !region.watch.isDown()) {
    const nowMs = deps.clock.nowMs();
    const owed = await listOwedDeletions(deps.database.read, region.name, { nowMs, limit: batchSize });
    if (owed.length === 0) break;
    for (const location of owed) {
      if (signal.aborted || region.watch.isDown()) break;
      if (await payDeletion(deps, region, location)) done += 1;
      else failed += 1;
    }
  }
  return { done, failed };
}

async function payDeletion(
  { database, clock, log }: RegionWorkerDeps,
  region: Region,
  location: BlobLocation,
): Promise<boolean> {
  try {
    await inRegion(region, answerMs, (store) => store.deleteBlob(location));
    await database.transaction((tx) => forgetOwedDeletion(tx, region.name, location), { durable: false });
    return true;
  } catch (error) {
    log.warn({ error, region: region.name }, "bytes could not be removed from a storage region");
    const nextMs = clock.nowMs() + longestPauseMs;
    await database.transaction((tx) => postponeDeletion(tx, region.name, location, nextMs), {
      durable: false,
    });
    return false;
  }
}

async function settle(
  deps: RegionWorkerDeps,
  region: Region,
  blob: DuePlacement,
  signal: AbortSignal,
): Promise<boolean> {
  const { database, clock, log } = deps;
  try {
    if (blob.state === "waiting") await copyTo(deps, region, blob, signal);
    else await removeFrom(deps, region, blob, signal);
    return true;
  } catch (error) {
    // What was stopped, and what the region itself is at fault for, is no attempt.
    if (signal.aborted || region.watch.isDown()) return false;
    deps.onFailed(region.name);
    log.warn(
      { error, region: region.name, digest: blob.digest },
      "a blob is not as wanted in a storage region",
    );
    const nextMs = clock.nowMs() + Math.min(firstPauseMs * 2 ** blob.attempts, longestPauseMs);
    const text = error instanceof Error ? error.message : String(error);
    await database.transaction((tx) => postpone(tx, blob.blobId, region.name, { nextMs, error: text }), {
      durable: false,
    });
    return false;
  }
}

async function copyTo(
  { database, clock, regional, onCopied }: RegionWorkerDeps,
  region: Region,
  blob: DuePlacement,
  signal: AbortSignal,
): Promise<void> {
  const { isNew, bytes } = await copyBlob(regional, blob, region, signal);
  const nowMs = clock.nowMs();
  const isWanted = await database.transaction((tx) => markPlaced(tx, blob, region.name, nowMs));
  if (!isWanted) {
    // Only what was written here: what was there before may be all that there is. By a row, as the removal may fail.
    if (isNew) await database.transaction((tx) => noteUnwanted(tx, blob, region.name, nowMs));
    return;
  }
  onCopied(region.name, bytes, nowMs - blob.sinceMs);
}

/**
 * Takes a copy away that must not lie there, once another region has it in which it stays. One in which it is surplus, too, does not count: two regions
 * would each take the other's copy for the one that stays, and remove both. Nor one that waits: it may be wanted anew while its copy is being removed. Nor one that was
 * placed less than `settleMs` ago: a request that somebody sent before that and gave up may still come to its end there, and take the copy away. One that is not there after
 * all is copied again.
 */
async function removeFrom(
  { database, clock, regional, settleMs }: RegionWorkerDeps,
  region: Region,
  blob: DuePlacement,
  signal: AbortSignal,
): Promise<void> {
  const states = await findStates(database.read, blob.blobId);
  if (states.get(region.name)?.state !== "surplus") return; // wanted there again, or collected
  const nowMs = clock.nowMs();
  const staying = regional.regions.flatMap((other) => {
    const found = states.get(other.name);
    if (found?.state !== "placed") return [];
    return [{ other, sinceMs: found.sinceMs, settledMs: found.sinceMs + settleMs }];
  });
  let stays: { readonly name: string; readonly sinceMs: number } | undefined;
  for (const { other, sinceMs } of staying.filter(({ settledMs }) => settledMs <= nowMs)) {
    const isThere = await hasBlob(other, blob).catch(() => undefined);
    if (isThere === true) stays = { name: other.name, sinceMs };
    if (isThere === false) await database.transaction((tx) => wantAgain(tx, blob.blobId, other.name, nowMs));
  }
  if (stays === undefined) {
    const untilMs = Math.min(...staying.map(({ settledMs }) => settledMs).filter((ms) => ms > nowMs));
    if (untilMs === Infinity) throw new Error("no other storage region has it yet, so it stays");
    const text = "stays until another storage region has had it for a while";
    return database.transaction((tx) => keepSurplus(tx, blob.blobId, region.name, { untilMs, text }), {
      durable: false,
    });
  }
  // This process may have been frozen while it looked, for longer than anything above waits: then others may have made this the copy that stays.
  const now = await findStates(database.read, blob.blobId);
  const stayed = now.get(stays.name);
  const isAsSeen = stayed?.state === "placed" && stayed.sinceMs === stays.sinceMs;
  if (now.get(region.name)?.state !== "surplus" || !isAsSeen) return;
  signal.throwIfAborted();
  await inRegion(region, answerMs, (store) => store.deleteBlob(blob.location));
  await database.transaction((tx) => forgetSurplus(tx, blob.blobId, region.name), { durable: false });
}

/** Rounds for every region, for ever: while there is work without a pause, else every `pollMs`. Own region first; of others only what they leave undone. */
export function createRegionWorker(deps: RegionWorkerDeps): {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
} {
  const stopping = new AbortController();
  const running: Promise<void>[] = [];
  async function run(region: Region, leaveToOthersMs: number): Promise<void> {
    const { signal } = stopping;
    let probedAt = performance.now();
    while (!signal.aborted) {
      // Also where all that is asked of a region is answered from memory, or by its bucket itself.
      if (region.watch.trouble() !== undefined || performance.now() - probedAt > probeEveryMs) {
        probedAt = performance.now();
        await inRegion(region, answerMs, (store) => store.probe()).catch(() => {});
      }
      const round = await workForRegion(deps, region, leaveToOthersMs, signal).catch((error: unknown) => {
        deps.log.warn({ error, region: region.name }, "a round of copying to a storage region failed");
        return nothing;
      });
      if (round.done > 0) continue;
      // After failures only, another instance, which may reach what this one does not, gets a turn.
      const pauseMs = round.failed > 0 ? 3 * pollMs : pollMs;
      await wait(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
  return {
    start() {
      deps.regional.regions.forEach((region, index) => {
        running.push(run(region, index === 0 ? 0 : othersMs));
      });
    },
    async stop() {
      stopping.abort();
      // What hangs in a region that does not answer is not waited for.
      await Promise.race([Promise.all(running), wait(stopLimitMs, undefined, { ref: false })]);
    },
  };
}

const pollMs = 1_000;
const stopLimitMs = 5_000;
const probeEveryMs = 15_000;
/** What instances of the region itself have not done by then, any other does. */
const othersMs = 3_000;
