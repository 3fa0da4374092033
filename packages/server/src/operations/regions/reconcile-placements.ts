import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../lib/clock.ts";
import { regionOfLocation } from "../../storage/blob-store/regions/region-name.ts";
import type { Database } from "../../storage/database/database.ts";
import { allowedRegions, type KnownRegions, wantedRegions } from "./namespace-placement.ts";
import {
  type ComparedBlob,
  changePlacements,
  listComparedBlobs,
  type PlacementChange,
} from "./reconcile-store.ts";

export interface Reconciled {
  readonly blobs: number;
  /** Copies that nobody had asked for so far. */
  readonly wanted: number;
  /** Copies that must not lie where they do. */
  readonly surplus: number;
}

const pageSize = 500;
const changesAtOnce = 200;

/**
 * Compares every blob with where it should lie, and writes down what is to be copied and removed: after a region was added, a namespace's placement
 * changed, or a repository moved. Copies nothing itself. May be repeated and stopped anywhere.
 */
export async function reconcilePlacements(
  deps: { readonly database: Database; readonly clock: Clock; readonly known: KnownRegions },
  signal: AbortSignal,
  onProgress: (blobs: number) => void,
): Promise<Reconciled> {
  let report: Reconciled = { blobs: 0, wanted: 0, surplus: 0 };
  for (let afterId = 0; ; ) {
    signal.throwIfAborted();
    const page = await listComparedBlobs(deps.database.read, afterId, pageSize);
    const last = page.at(-1);
    if (last === undefined) return report;
    afterId = last.id;
    const changes = page.flatMap((blob) => changesOf(deps.known, blob));
    for (let start = 0; start < changes.length; start += changesAtOnce) {
      const some = changes.slice(start, start + changesAtOnce);
      await deps.database.transaction((tx) => changePlacements(tx, some, deps.clock.nowMs()), {
        durable: false,
      });
    }
    const count = (to: PlacementChange["to"]) => changes.filter((change) => change.to === to).length;
    report = {
      blobs: report.blobs + page.length,
      wanted: report.wanted + count("waiting"),
      surplus: report.surplus + count("surplus"),
    };
    onProgress(report.blobs);
    await nextTurn();
  }
}

function changesOf(known: KnownRegions, blob: ComparedBlob): readonly PlacementChange[] {
  if (blob.placements.length === 0) return [];
  const wanted = new Set(blob.placements.flatMap((placement) => wantedRegions(known, placement)));
  const allowed = new Set(blob.placements.flatMap((placement) => allowedRegions(known, placement)));
  const home = regionOfLocation(blob.location);
  if (wanted.size === 0) {
    // Nobody asks for copies, so it lies where it was pushed. Where it may not lie there any more, it must lie somewhere all the same.
    const [first] = allowed;
    const isIn = (state: string) => [...allowed].find((region) => blob.states.get(region) === state);
    const goal = isIn("waiting") ?? (home !== undefined && allowed.has(home) ? home : first);
    if (goal !== undefined && isIn("placed") === undefined) wanted.add(goal);
  }
  return known.names.flatMap((region): readonly PlacementChange[] => {
    const to = targetOf(blob.states.get(region), {
      isWanted: wanted.has(region),
      isAllowed: allowed.has(region),
      // Before there were regions nobody wrote down where bytes lie. Since then their home is, until they are removed there.
      mayLieThere: home === undefined || (home === region && blob.states.size === 0),
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
