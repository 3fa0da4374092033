import type { Clock } from "../../../lib/clock.ts";
import type { StorageSignIn } from "../objects/storage-keys.ts";
import { openBlobStore } from "../open-blob-store.ts";
import type { Region } from "./region.ts";
import { createRegionWatch } from "./region-watch.ts";

/** Opens the object stores of all regions, the own one first, the others in their order. Nothing is asked of them yet. */
export async function openRegions(
  places: readonly {
    readonly name: string;
    readonly url: string;
    readonly keys: StorageSignIn | undefined;
  }[],
  own: string,
  clock: Clock,
): Promise<readonly Region[]> {
  const regions: Region[] = [];
  for (const { name, url, keys } of places) {
    regions.push({ name, store: await openBlobStore(url, clock, keys), watch: createRegionWatch(clock) });
  }
  return regions.toSorted((left, right) => Number(right.name === own) - Number(left.name === own));
}
