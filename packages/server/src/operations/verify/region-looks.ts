import type { Clock } from "../../lib/clock.ts";
import type { BlobStore, StoredObject } from "../../storage/blob-store/blob-store.ts";
import type { VerifiedRegion } from "./verify-deps.ts";

/** A storage region of which something was not looked at, since it did not answer. */
export interface UnseenRegion {
  readonly region: string;
  /** Blobs whose bytes there were not looked at. */
  readonly blobs: number;
  /** Whether what lies there was told to the end, so that strays were looked for. */
  readonly isListed: boolean;
  /** What was said last. */
  readonly error: string;
}

/** Looks into storage regions, and passes over those that do not answer. */
export interface RegionLooks {
  /**
   * Does something in one region; undefined when it does not answer: that is noted. What fails though the region answers is tried once more. One that
   * does not answer is left alone for half a minute, so that it costs one look now and then. `work` must do nothing but ask the store.
   */
  readonly look: <T>(
    region: VerifiedRegion,
    work: (store: BlobStore) => Promise<T>,
  ) => Promise<{ readonly seen: T } | undefined>;
  /** Everything in one region, as far as it is told: where the list breaks off, that is noted. */
  readonly list: (region: VerifiedRegion) => AsyncIterable<StoredObject>;
  /** By name; empty = every region was seen whole. */
  readonly unseen: () => readonly UnseenRegion[];
}

const pauseMs = 30_000;

export function createRegionLooks(
  clock: Clock,
  signal: AbortSignal,
  onUnseen: (region: string, error: unknown) => void,
): RegionLooks {
  const notes = new Map<string, UnseenRegion>();
  const awaySinceMs = new Map<string, number>();

  function note(
    region: string,
    error: unknown,
    what: { readonly blobs: number; readonly isListed: boolean },
  ) {
    const before = notes.get(region);
    if (before === undefined) onUnseen(region, error);
    notes.set(region, {
      region,
      blobs: (before?.blobs ?? 0) + what.blobs,
      isListed: (before?.isListed ?? true) && what.isListed,
      error: error === undefined ? (before?.error ?? "") : textOf(error),
    });
  }

  /** Whatever says that the work is to end is no failure of a region. */
  function isAway(region: string): boolean {
    signal.throwIfAborted();
    const sinceMs = awaySinceMs.get(region);
    // The distance, as a clock that was set back must not keep a region away for ever.
    return sinceMs !== undefined && Math.abs(clock.nowMs() - sinceMs) < pauseMs;
  }

  async function answers({ name, store }: VerifiedRegion): Promise<boolean> {
    try {
      await store.probe();
      awaySinceMs.delete(name);
      return true;
    } catch {
      awaySinceMs.set(name, clock.nowMs());
      return false;
    }
  }

  return {
    async look(region, work) {
      const missed = { blobs: 1, isListed: true };
      if (isAway(region.name)) {
        note(region.name, undefined, missed);
        return undefined;
      }
      try {
        return { seen: await work(region.store) };
      } catch (first) {
        signal.throwIfAborted();
        try {
          if (await answers(region)) return { seen: await work(region.store) };
          note(region.name, first, missed);
        } catch (error) {
          signal.throwIfAborted();
          note(region.name, error, missed);
        }
        return undefined;
      }
    },
    async *list(region) {
      const missed = { blobs: 0, isListed: false };
      if (isAway(region.name)) return note(region.name, undefined, missed);
      try {
        yield* region.store.list();
      } catch (error) {
        signal.throwIfAborted();
        await answers(region);
        note(region.name, error, missed);
      }
    },
    unseen: () => [...notes.values()].toSorted((left, right) => (left.region < right.region ? -1 : 1)),
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
