import type { BlobLocation } from "../blob-store.ts";
import type { ObjectMedium } from "./object-medium.ts";

/**
 * Deletes the bytes of a blob when the last reader of this process has closed it. Readers of other processes finish what they have asked for,
 * as far as the service lets them; the collector waits a while between the last link and the bytes for that reason.
 */
export interface DeferredDeletes {
  /** Counts a reader; the answer is to be called once, when it closes. */
  hold(location: BlobLocation): () => Promise<void>;
  /** Deletes now, or when the last reader goes. */
  delete(location: BlobLocation, keys: readonly string[]): Promise<void>;
}

export function createDeferredDeletes(medium: ObjectMedium): DeferredDeletes {
  const readers = new Map<BlobLocation, number>();
  const waiting = new Map<BlobLocation, readonly string[]>();
  return {
    hold(location) {
      readers.set(location, (readers.get(location) ?? 0) + 1);
      return async () => {
        const left = (readers.get(location) ?? 1) - 1;
        if (left > 0) {
          readers.set(location, left);
          return;
        }
        readers.delete(location);
        const keys = waiting.get(location);
        waiting.delete(location);
        // Whoever reads must not fail because of it; what stays lies there as a stray, which is looked for.
        if (keys !== undefined) await medium.delete(keys).catch(() => {});
      };
    },
    async delete(location, keys) {
      if (readers.has(location)) waiting.set(location, keys);
      else if (keys.length > 0) await medium.delete(keys);
    },
  };
}
