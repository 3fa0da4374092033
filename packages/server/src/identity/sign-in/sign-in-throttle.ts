import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";

/** Failures of one address with one name before it must wait. */
const maxFailures = 10;
const windowMs = 60_000;
/** containerd and BuildKit try a wrong password by POST and at once again by GET: that is one failure. */
const sameAttemptMs = 3_000;

interface Failures {
  readonly count: number;
  readonly lastSecret: string;
  readonly lastAtMs: number;
}

/**
 * Slows down guessing. Counts by address and name together, so that nobody can lock somebody else out from elsewhere. In this process only:
 * N instances let N times as many guesses through, still far too few.
 */
export interface SignInThrottle {
  /** `TOOMANYREQUESTS` when this address has failed with this name too often. */
  check(address: string, username: string): void;
  failed(address: string, username: string, secret: string): void;
  succeeded(address: string, username: string): void;
}

export function createSignInThrottle(clock: Clock): SignInThrottle {
  const failures = new LRUCache<string, Failures>({ max: 50_000 });
  const keyOf = (address: string, username: string) => `${address} ${username}`;
  const current = (key: string) => {
    const found = failures.get(key);
    return found !== undefined && clock.nowMs() - found.lastAtMs < windowMs ? found : undefined;
  };
  return {
    check(address, username) {
      const found = current(keyOf(address, username));
      if (found === undefined || found.count < maxFailures) return;
      const waitMs = windowMs - (clock.nowMs() - found.lastAtMs);
      throw new AppError("TOOMANYREQUESTS", "too many wrong passwords from this address; wait a minute", {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
      });
    },
    failed(address, username, secret) {
      const key = keyOf(address, username);
      const found = current(key);
      const nowMs = clock.nowMs();
      const lastSecret = createHash("sha256").update(secret).digest("base64");
      const isRepeat =
        found !== undefined && found.lastSecret === lastSecret && nowMs - found.lastAtMs < sameAttemptMs;
      failures.set(key, { count: (found?.count ?? 0) + (isRepeat ? 0 : 1), lastSecret, lastAtMs: nowMs });
    },
    succeeded: (address, username) => void failures.delete(keyOf(address, username)),
  };
}
