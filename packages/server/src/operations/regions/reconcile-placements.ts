import type { Clock } from "../../lib/clock.ts";
import { createPace } from "../../lifecycle/garbage-collection/keep-pace.ts";
import { regionOfLocation } from "../../storage/blob-store/regions/region-name.ts";
import type { Database } from "../../storage/database/database.ts";
import { allowedRegions, type KnownRegions, wantedRegions } from "./namespace-placement.ts";
import {
  type ComparedBlob,
  changePlacements,
  holdComparedBlobs,
  listComparedBlobs,
  type PlacementChange,
} from "./reconcile-store.ts";
import { putCounts } from "./region-status-store.ts";
import { type CountedRegions, type PlacedBlob, tallyRegions } from "./tally-regions.ts";

export interface Reconciled {
  readonly blobs: number;
  /** Copies that nobody had asked for so far. */
  readonly wanted: number;
  /** Copies that must not lie where they do. */
  readonly surplus: number;
}

export interface CompareDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly known: KnownRegions;
  /**
   * Whether a blob from before there were regions, of which nobody wrote down where it lies, counts as lying in every region of which nothing is known. When rules were changed: then it must
   * leave where it may not lie. Not hourly: it was removed there by then, and would be sought again and again.
   */
  readonly seeksUnknown: boolean;
}

const pageSize = 500;
const changedAtOnce = 100;
/** Of the time that passes: looking at millions of blobs once an hour must not be felt. */
const loadPercent = 25;

/**
 * Compares every blob with where it should lie, and writes down what is to be copied and removed: after a region was added, a namespace's placement
 * changed, or a repository moved. Copies nothing itself. Counts on the way what lies where, for those who ask. In pages, with a rest after each; may be repeated and stopped anywhere.
 */
export async function reconcilePlacements(
  deps: CompareDeps,
  signal: AbortSignal,
  onProgress: (blobs: number) => void,
): Promise<Reconciled> {
  let report: Reconciled = { blobs: 0, wanted: 0, surplus: 0 };
  let regions: CountedRegions["regions"] = {};
  const pace = createPace(loadPercent);
  const startedAtMs = deps.clock.nowMs();
  for (let afterId = 0; ; ) {
    signal.throwIfAborted();
    const page = await listComparedBlobs(deps.database.read, afterId, pageSize);
    const last = page.at(-1);
    if (last === undefined) {
      const counts = { countedAtMs: startedAtMs, regions };
      await deps.database.transaction((tx) => putCounts(tx, counts), { durable: false });
      return report;
    }
    afterId = last.id;
    const changes = page.flatMap((blob) => changesOf(deps, blob));
    const changed = [...new Set(changes.map(({ blobId }) => blobId))];
    for (let start = 0; start < changed.length; start += changedAtOnce) {
      await changeBlobs(deps, changed.slice(start, start + changedAtOnce));
    }
    const count = (to: PlacementChange["to"]) => changes.filter((change) => change.to === to).length;
    report = {
      blobs: report.blobs + page.length,
      wanted: report.wanted + count("waiting"),
      surplus: report.surplus + count("surplus"),
    };
    regions = tallyRegions(regions, afterChanges(page, changes, deps.clock.nowMs()));
    onProgress(report.blobs);
    await pace(signal);
  }
}

/** What is to change of these blobs, judged anew: one may have been mounted, moved or collected since it was looked at. */
export async function changeBlobs(deps: CompareDeps, ids: readonly number[]): Promise<void> {
  await deps.database.transaction(
    async (tx) => {
      const blobs = await holdComparedBlobs(tx, ids);
      const changes = blobs.flatMap((blob) => changesOf(deps, blob));
      await changePlacements(tx, changes, deps.clock.nowMs());
    },
    { durable: false },
  );
}

function afterChanges(
  page: readonly ComparedBlob[],
  changes: readonly PlacementChange[],
  nowMs: number,
): readonly PlacedBlob[] {
  const changesOfBlob = Map.groupBy(changes, ({ blobId }) => blobId);
  return page.map(({ id, sizeBytes, states }) => {
    const placements = new Map(states);
    for (const { region, to } of changesOfBlob.get(id) ?? []) {
      if (to === "none") placements.delete(region);
      else placements.set(region, { state: to, sinceMs: nowMs });
    }
    return { id, sizeBytes, placements: [...placements].map(([region, now]) => ({ region, ...now })) };
  });
}

function changesOf(
  { known, seeksUnknown }: Pick<CompareDeps, "known" | "seeksUnknown">,
  blob: ComparedBlob,
): readonly PlacementChange[] {
  if (blob.placements.length === 0) return [];
  const wanted = new Set(blob.placements.flatMap((placement) => wantedRegions(known, placement)));
  const allowed = new Set(blob.placements.flatMap((placement) => allowedRegions(known, placement)));
  const home = regionOfLocation(blob.location);
  if (wanted.size === 0) {
    // Nobody asks for copies, so it lies where it was pushed. Where it may not lie there any more, it must lie somewhere all the same.
    const [first] = allowed;
    const isIn = (state: string) => [...allowed].find((region) => blob.states.get(region)?.state === state);
    const goal = isIn("waiting") ?? (home !== undefined && allowed.has(home) ? home : first);
    if (goal !== undefined && isIn("placed") === undefined) wanted.add(goal);
  }
  return known.names.flatMap((region): readonly PlacementChange[] => {
    const to = targetOf(blob.states.get(region)?.state, {
      isWanted: wanted.has(region),
      isAllowed: allowed.has(region),
      // Before there were regions nobody wrote down where bytes lie. Since then their home is, until they are removed there.
      mayLieThere: (home === undefined && seeksUnknown) || (home === region && blob.states.size === 0),
    });
    return to === undefined ? [] : [{ blobId: blob.id, region, to }];
  });
}

function targetOf(
  state: string | undefined,
  is: { readonly isWanted: boolean; readonly isAllowed: boolean; readonly mayLieThere: boolean },
): PlacementChange["to"] | undefined {
  if (is.isWanted) return state === undefined || state === "surplus" ? "waiting" : undefined;
  if (state === "waiting") return "none";
  if (is.isAllowed) return undefined;
  if (state === "placed" || (state === undefined && is.mayLieThere)) return "surplus";
  return undefined;
}
