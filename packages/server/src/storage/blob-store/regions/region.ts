import { AppError } from "../../../lib/app-error.ts";
import type { BlobStore } from "../blob-store.ts";
import type { RegionWatch } from "./region-watch.ts";

/** One of several places that keep the same blobs, each under the same location. */
export interface Region {
  readonly name: string;
  readonly store: BlobStore;
  readonly watch: RegionWatch;
}

/**
 * Does something in one region, and notes how the region does. `UNAVAILABLE` at once while it is known to fail, and after `limitMs` without an answer;
 * what comes later is given to `tooLate`. `proves` = success shows that the region answers; false for
 * what may come from memory.
 */
export async function inRegion<T>(
  { name, store, watch }: Region,
  limitMs: number,
  work: (store: BlobStore) => Promise<T>,
  tooLate: (result: T) => void = () => {},
  proves = true,
): Promise<T> {
  if (!watch.mayTry()) {
    throw new AppError("UNAVAILABLE", `the storage region ${name} does not answer; try again later`, {
      retryAfterSeconds: 5,
    });
  }
  const working = work(store);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      working.then(tooLate, () => {});
      reject(new AppError("UNAVAILABLE", `the storage region ${name} has not answered in ${limitMs} ms`));
    }, limitMs);
  });
  try {
    const result = await Promise.race([working, late]);
    if (proves) watch.worked();
    return result;
  } catch (error) {
    watch.failed(error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
