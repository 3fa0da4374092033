import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { networkOf } from "../../lib/network-of.ts";

/** Different wrong passwords from one network for one name before it must wait. */
const maxFailures = 10;
const windowMs = 60_000;
/** Who goes on guessing after a wait waits twice as long the next time, up to this; after so long in peace it begins anew. */
const longestWaitMs = 900_000;
const peaceMs = 3_600_000;
/** Those who failed last are remembered; some 100 bytes each. */
const maxRemembered = 50_000;

interface Failures {
  readonly count: number;
  readonly lastSecret: string;
  readonly lastAtMs: number;
  /** How often it had to wait before. */
  readonly waits: number;
}

/**
 * Slows down guessing. Counts by network and name together, so that nobody can lock somebody else out from elsewhere. In this process only:
 * N instances let N times as many guesses through, still far too few.
 */
export interface SignInThrottle {
  /**
   * To be called before a password is looked at: it counts as wrong until it is known to be right, so that guesses sent side by side do not
   * slip through. `TOOMANYREQUESTS` when this network has guessed at this name too often. The same password twice in a row counts once: containerd
   * and BuildKit try a wrong one by POST and again by GET, and a job with an outdated one guesses nothing by repeating it.
   */
  begin(address: string, username: string, secret: string): SignInAttempt;
}

export interface SignInAttempt {
  /** Whether it is another password than the one that this network tried last. */
  readonly isNew: boolean;
  succeeded(): void;
  /** Nobody knows whether the password was right: the database did not answer, or too many were waiting. */
  abandoned(): void;
}

export function createSignInThrottle(clock: Clock): SignInThrottle {
  // In order of the last failure. No LRUCache: that clears all its slots when its last entry is deleted, which is here at almost every sign-in.
  const failures = new Map<string, Failures>();
  // Of a wrong password only what is needed to know it again stays in memory.
  const key = createSecretKey(randomBytes(32));
  const digest = (text: string) => createHmac("sha256", key).update(text).digest("base64");

  function current(entry: string): Failures | undefined {
    const found = failures.get(entry);
    return found !== undefined && Math.abs(clock.nowMs() - found.lastAtMs) < waitMsOf(found)
      ? found
      : undefined;
  }

  /** How often it has had to wait by now, the wait that has just ended included. */
  function waitsOf(entry: string): number {
    const found = failures.get(entry);
    if (found === undefined || Math.abs(clock.nowMs() - found.lastAtMs) >= peaceMs) return 0;
    return found.count >= maxFailures ? found.waits + 1 : found.waits;
  }

  function remember(entry: string, now: Failures): void {
    failures.delete(entry);
    failures.set(entry, now);
    if (failures.size <= maxRemembered) return;
    for (const oldest of failures.keys()) {
      failures.delete(oldest);
      break;
    }
  }

  return {
    begin(address, username, secret) {
      const entry = digest(`${networkOf(address)} ${username}`);
      const nowMs = clock.nowMs();
      const found = current(entry);
      if (found !== undefined && found.count >= maxFailures) {
        const waitMs = waitMsOf(found) - (nowMs - found.lastAtMs);
        throw new AppError("TOOMANYREQUESTS", "too many wrong passwords from this address; wait a while", {
          retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
        });
      }
      const lastSecret = digest(secret);
      const counts = found?.lastSecret === lastSecret ? 0 : 1;
      const waits = found?.waits ?? waitsOf(entry);
      remember(entry, { count: (found?.count ?? 0) + counts, lastSecret, lastAtMs: nowMs, waits });
      return {
        isNew: counts === 1,
        succeeded: () => void failures.delete(entry),
        abandoned() {
          const now = current(entry);
          if (now !== undefined) failures.set(entry, { ...now, count: Math.max(0, now.count - counts) });
        },
      };
    },
  };
}

function waitMsOf({ count, waits }: Failures): number {
  return count < maxFailures ? windowMs : Math.min(windowMs * 2 ** Math.min(waits, 10), longestWaitMs);
}
