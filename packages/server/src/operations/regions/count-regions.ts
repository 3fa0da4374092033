import type { Queryable } from "../../storage/database/database.ts";
import {
  countedAtMost,
  countOpen,
  findCounts,
  listPlacedBlobs,
  type OpenCounts,
} from "./region-status-store.ts";
import { type CountedRegions, emptyTally, tallyRegions } from "./tally-regions.ts";

/** What is known of one region. */
export interface RegionCounts extends Omit<OpenCounts, "isCut"> {
  readonly placed: { readonly blobs: number; readonly bytes: number };
  /** Blobs of which no other region is said to have a copy. */
  readonly onlyHere: number;
}

/**
 * What is open in each region: exact up to some thousand, above that what the last look at all blobs counted, if that is more. Reads a bounded number of rows:
 * for whoever asks every few seconds.
 */
export async function countOpenIn(
  db: Queryable,
  regions: readonly string[],
): Promise<ReadonlyMap<string, OpenCounts>> {
  const counts = new Map<string, OpenCounts>();
  for (const region of regions) counts.set(region, await countOpen(db, region));
  if (![...counts.values()].some(({ isCut }) => isCut)) return counts;
  const counted = await findCounts(db);
  for (const [region, open] of counts) {
    const before = counted?.regions[region];
    if (open.isCut && before !== undefined) counts.set(region, atLeast(open, before));
  }
  return counts;
}

/**
 * What lies where: exact while there are few blobs, else as of the last look at all of them, at `countedAtMs`. Of the regions given, and of all of which something is known. Reads a
 * bounded number of rows.
 */
export async function countRegions(
  db: Queryable,
  regions: readonly string[],
  nowMs: number,
): Promise<{ readonly countedAtMs: number; readonly regions: ReadonlyMap<string, RegionCounts> }> {
  const counted = await countAll(db, nowMs);
  const names = [...new Set([...regions, ...Object.keys(counted.regions)])];
  const open = await countOpenIn(db, names);
  const of = (region: string): RegionCounts => {
    const { isCut: _, ...rest } = open.get(region) ?? { isCut: false, ...nothingOpen };
    const { placed, onlyHere } = counted.regions[region] ?? emptyTally;
    return { ...rest, placed, onlyHere };
  };
  return { countedAtMs: counted.countedAtMs, regions: new Map(names.map((name) => [name, of(name)])) };
}

export const nothingOpen: Omit<OpenCounts, "isCut"> = {
  waiting: { blobs: 0, bytes: 0, oldestSinceMs: undefined, failing: 0 },
  surplus: 0,
  owedDeletions: 0,
};

async function countAll(db: Queryable, nowMs: number): Promise<CountedRegions> {
  const few = await listPlacedBlobs(db, 0, countedAtMost + 1);
  if (few.length <= countedAtMost) return { countedAtMs: nowMs, regions: tallyRegions({}, few) };
  return (await findCounts(db)) ?? { countedAtMs: 0, regions: tallyRegions({}, few) };
}

function atLeast(open: OpenCounts, before: CountedRegions["regions"][string]): OpenCounts {
  const { waiting } = open;
  const oldest = [waiting.oldestSinceMs, before.waiting.oldestSinceMs].filter((ms) => typeof ms === "number");
  return {
    ...open,
    waiting: {
      ...waiting,
      blobs: Math.max(waiting.blobs, before.waiting.blobs),
      bytes: Math.max(waiting.bytes, before.waiting.bytes),
      oldestSinceMs: oldest.length === 0 ? undefined : Math.min(...oldest),
    },
    surplus: Math.max(open.surplus, before.surplus),
  };
}
