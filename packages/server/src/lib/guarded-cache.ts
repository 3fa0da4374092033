import { LRUCache } from "lru-cache";

/**
 * A bounded cache of facts from the database that is never staler than the database allows. Entries die when
 * - this process changes them (`forget`, `clear`, called after the commit and before the reply), or
 * - another process may have changed anything (`foreignChangeStamp` moved).
 * Without a stamp nothing is kept: every `get` loads.
 *
 * A value that was read before a change must not be stored after it: `load` results are dropped when a `forget` or a
 * foreign change happened while they were read.
 */
export interface GuardedCache<V extends object> {
  get(key: string, load: () => Promise<V | undefined>): Promise<V | undefined>;
  /** The cached value, if it is certainly current; for the path that must not wait. */
  peek(key: string): V | undefined;
  forget(keys: readonly string[]): void;
  clear(): void;
  readonly lookups: () => CacheLookups;
}

/** How often something was asked for since the start, and how often it was there. */
export interface CacheLookups {
  readonly hits: number;
  readonly misses: number;
}

export function createGuardedCache<V extends object>(options: {
  readonly maxBytes: number;
  readonly sizeBytes: (value: V) => number;
  readonly foreignChangeStamp: () => number | undefined;
}): GuardedCache<V> {
  const entries = new LRUCache<string, V>({
    maxSize: options.maxBytes,
    maxEntrySize: Math.max(1, Math.floor(options.maxBytes / 4)),
    sizeCalculation: (value, key) => Math.max(1, options.sizeBytes(value) + 2 * key.length + 100),
  });
  let stamp: number | undefined;
  let generation = 0;
  let hits = 0;
  let misses = 0;

  /** Drops everything if another process may have written; false = nothing may be cached at all. */
  function isCurrent(): boolean {
    const now = options.foreignChangeStamp();
    if (now === undefined) return false;
    if (now !== stamp) {
      stamp = now;
      generation += 1;
      entries.clear();
    }
    return true;
  }

  return {
    peek(key) {
      const found = isCurrent() ? entries.get(key) : undefined;
      // Whoever finds nothing goes on with `get`, which counts it.
      if (found !== undefined) hits += 1;
      return found;
    },
    async get(key, load) {
      const cached = isCurrent() ? entries.get(key) : undefined;
      if (cached !== undefined) {
        hits += 1;
        return cached;
      }
      misses += 1;
      const before = generation;
      const value = await load();
      if (value !== undefined && isCurrent() && before === generation) entries.set(key, value);
      return value;
    },
    forget(keys) {
      generation += 1;
      for (const key of keys) entries.delete(key);
    },
    clear() {
      generation += 1;
      entries.clear();
    },
    lookups: () => ({ hits, misses }),
  };
}
