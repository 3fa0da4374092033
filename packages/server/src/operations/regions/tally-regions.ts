/** A blob, and where it is said to lie. */
export interface PlacedBlob {
  readonly id: number;
  readonly sizeBytes: number;
  readonly placements: readonly {
    readonly region: string;
    readonly state: string;
    readonly sinceMs: number;
  }[];
}

/** What was counted of one region when all blobs were looked at. */
export interface RegionTally {
  readonly placed: { readonly blobs: number; readonly bytes: number };
  readonly waiting: { readonly blobs: number; readonly bytes: number; readonly oldestSinceMs: number | null };
  readonly surplus: number;
  /**
   * Blobs of which no other region is said to have a copy. Whatever is to become of them there: a copy that waits may be the only one, of what
   * was there before there were regions, and one that is surplus stays until another region has it.
   */
  readonly onlyHere: number;
}

export interface CountedRegions {
  readonly countedAtMs: number;
  readonly regions: Readonly<Record<string, RegionTally>>;
}

export const emptyTally: RegionTally = {
  placed: { blobs: 0, bytes: 0 },
  waiting: { blobs: 0, bytes: 0, oldestSinceMs: null },
  surplus: 0,
  onlyHere: 0,
};

/** Adds blobs to what was counted before. */
export function tallyRegions(
  before: CountedRegions["regions"],
  blobs: readonly PlacedBlob[],
): CountedRegions["regions"] {
  const regions: Record<string, RegionTally> = { ...before };
  for (const { sizeBytes, placements } of blobs) {
    for (const { region, state, sinceMs } of placements) {
      const tally = regions[region] ?? emptyTally;
      const isElsewhere = placements.some((other) => other.region !== region && other.state === "placed");
      regions[region] = {
        ...addState(tally, state, sizeBytes, sinceMs),
        onlyHere: tally.onlyHere + (isElsewhere ? 0 : 1),
      };
    }
  }
  return regions;
}

function addState(tally: RegionTally, state: string, bytes: number, sinceMs: number): RegionTally {
  const { placed, waiting } = tally;
  if (state === "placed") {
    return { ...tally, placed: { blobs: placed.blobs + 1, bytes: placed.bytes + bytes } };
  }
  if (state !== "waiting") return { ...tally, surplus: tally.surplus + 1 };
  const oldestSinceMs = Math.min(sinceMs, waiting.oldestSinceMs ?? sinceMs);
  return { ...tally, waiting: { blobs: waiting.blobs + 1, bytes: waiting.bytes + bytes, oldestSinceMs } };
}
