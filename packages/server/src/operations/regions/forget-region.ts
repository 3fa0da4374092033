import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { createPace, type KeepPace } from "../../lifecycle/garbage-collection/keep-pace.ts";
import type { ManageRegionsDeps } from "./manage-regions.ts";
import {
  countOpen,
  countUploadsIn,
  deleteOwed,
  deletePlacements,
  findCounts,
  listPlacedBlobs,
  putCounts,
} from "./region-status-store.ts";
import { findRetiring, putRetiring } from "./retiring-store.ts";
import { type CountedRegions, emptyTally, tallyRegions } from "./tally-regions.ts";

const batch = 1_000;
const loadPercent = 50;

/**
 * Forgets a region that no instance is configured with any more. `IN_USE` while it is configured here, or while blobs or uploads lie there that lie nowhere else:
 * then nothing is changed. `NOT_FOUND` when nothing is known of it. The bytes there are not touched. Works in batches with a rest after each; one that was interrupted may be repeated and
 * goes on.
 */
export async function forgetRegion(
  deps: ManageRegionsDeps,
  source: AuditSource,
  name: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  if (deps.known.names.includes(name)) {
    throw new AppError(
      "IN_USE",
      `the storage region ${name} is configured; take it out of the settings first`,
    );
  }
  const pace = createPace(loadPercent);
  const { database } = deps;
  const tally = (await countAll(deps, pace, signal))[name];
  const isNoted = (await findCounts(database.read))?.regions[name] !== undefined;
  const isRetiring = (await findRetiring(database.read)).has(name);
  if (
    tally === undefined &&
    !isNoted &&
    !isRetiring &&
    (await countOpen(database.read, name)).owedDeletions === 0
  ) {
    throw new AppError("NOT_FOUND", `there is no storage region ${name}`);
  }
  const [blobs, uploads] = [tally?.onlyHere ?? 0, await countUploadsIn(database.read, name)];
  if (blobs + uploads > 0) throw stillThere(name, blobs, uploads);
  const forgotten = await forgetRows(deps, name, pace, signal);
  // What lies there alone only since it was counted was not forgotten.
  const left = (await countAll(deps, pace, signal))[name] ?? emptyTally;
  if (left.onlyHere > 0) throw stillThere(name, left.onlyHere, 0);
  await database.transaction(async (tx) => {
    // First, so that a retirement at the same time is not undone by what was read before it.
    await bumpAccessVersion(tx);
    const counts = await findCounts(tx);
    if (counts !== undefined) {
      const { [name]: _, ...regions } = counts.regions;
      await putCounts(tx, { ...counts, regions });
    }
    const retiring = await findRetiring(tx);
    await putRetiring(tx, new Set([...retiring].filter((region) => region !== name)));
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "region.forget",
      target: `region ${name}`,
      before: { blobs: forgotten },
    });
  });
  deps.cache.changed();
}

function stillThere(name: string, blobs: number, uploads: number): AppError {
  return new AppError(
    "IN_USE",
    `${blobs} blobs and ${uploads} uploads lie in ${name} alone: configure it again, retire it, and wait until they are copied`,
  );
}

/** Every blob, in batches. */
async function countAll(
  { database }: ManageRegionsDeps,
  pace: KeepPace,
  signal: AbortSignal,
): Promise<CountedRegions["regions"]> {
  let regions: CountedRegions["regions"] = {};
  for (let afterId = 0; ; ) {
    signal.throwIfAborted();
    const page = await listPlacedBlobs(database.read, afterId, batch);
    const last = page.at(-1);
    if (last === undefined) return regions;
    regions = tallyRegions(regions, page);
    afterId = last.id;
    await pace(signal);
  }
}

async function forgetRows(
  { database }: ManageRegionsDeps,
  region: string,
  pace: KeepPace,
  signal: AbortSignal,
): Promise<number> {
  let forgotten = 0;
  for (let after = 0; ; ) {
    signal.throwIfAborted();
    const page = await listPlacedBlobs(database.read, after, batch);
    const upTo = page.at(-1)?.id;
    if (upTo === undefined) break;
    const ids = { after, upTo };
    forgotten += await database.transaction((tx) => deletePlacements(tx, region, ids), { durable: false });
    after = upTo;
    await pace(signal);
  }
  for (let gone = batch; gone === batch; await pace(signal)) {
    signal.throwIfAborted();
    gone = await database.transaction((tx) => deleteOwed(tx, region, batch), { durable: false });
  }
  return forgotten;
}
