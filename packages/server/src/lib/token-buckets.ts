import type { Clock } from "./clock.ts";
import { createLru } from "./create-lru.ts";

/** Many buckets of one size, by key. Each begins full, loses one token a use, and fills up evenly. */
export interface TokenBuckets {
  /** Takes a token where there is one. A bucket of another size than the others says so, each time. */
  take(key: string, ownPerMinute?: number): Taken;
}

export interface Taken {
  readonly isAllowed: boolean;
  /** How many a bucket holds. */
  readonly capacity: number;
  /** Whole tokens left after this use. */
  readonly left: number;
  /** Until there is one more token than now. */
  readonly nextMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

const minuteMs = 60_000;

/**
 * Buckets that hold and fill up by `perMinute`. Those used last are remembered, `maxKeys` at most, some 150 bytes each: one that is forgotten is full
 * again, so whoever floods with many keys wins nothing by it but what each key has anyway.
 */
export function createTokenBuckets(
  clock: Clock,
  { perMinute, maxKeys }: { readonly perMinute: number; readonly maxKeys: number },
): TokenBuckets {
  const buckets = createLru<string, Bucket>(maxKeys);
  return {
    take(key, ownPerMinute = perMinute) {
      const perMs = ownPerMinute / minuteMs;
      const nowMs = clock.nowMs();
      const bucket = buckets.get(key) ?? { tokens: ownPerMinute, atMs: nowMs };
      // A clock that was set back fills nothing up, and takes nothing away.
      bucket.tokens = Math.min(ownPerMinute, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * perMs);
      bucket.atMs = nowMs;
      const isAllowed = bucket.tokens >= 1;
      if (isAllowed) bucket.tokens -= 1;
      buckets.set(key, bucket);
      const left = Math.floor(bucket.tokens);
      return {
        isAllowed,
        capacity: ownPerMinute,
        left,
        nextMs: Math.ceil((left + 1 - bucket.tokens) / perMs),
      };
    },
  };
}
