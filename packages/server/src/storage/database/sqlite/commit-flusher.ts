import { AppError } from "../../../lib/app-error.ts";
import type { Log } from "../../../lib/log.ts";

/**
 * Makes commits durable, several with one flush, without stopping the event loop while the disk works.
 *
 *   commit A ─┐                      commit B ─┐   commit C ─┐
 *             └── flush 1 ────────────────┐    └─────────────┴─ flush 2 ─┐
 *                                         A is acknowledged              B and C are acknowledged
 */
export interface CommitFlusher {
  /** Resolves when every commit made before the call is on disk. Throws `UNAVAILABLE` when the disk refused, now or before. */
  flush(): Promise<void>;
  /** Throws `UNAVAILABLE` once a flush has failed. */
  assertHealthy(): void;
  /** How many flushes failed: 0 or 1. */
  failures(): number;
}

/**
 * `flushToDisk` makes durable what was written before it is called. After it failed once nothing is flushed again: the operating
 * system forgets pages it could not write, so a later success would prove nothing (PostgreSQL stops for the same reason,
 * https://wiki.postgresql.org/wiki/Fsync_Errors). A restart reads what the disk really holds.
 */
export function createCommitFlusher(flushToDisk: () => Promise<void>, log: Log): CommitFlusher {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let failure: AppError | undefined;

  async function run(): Promise<void> {
    try {
      if (failure === undefined) await flushToDisk();
    } catch (error) {
      log.error({ error }, "the database could not be flushed to disk; no more writes until a restart");
      failure = new AppError("UNAVAILABLE", "the disk that holds the database refused to write", {
        cause: error,
      });
    } finally {
      running = undefined;
    }
    if (failure !== undefined) throw failure;
  }

  async function runAfter(before: Promise<void>): Promise<void> {
    await before.catch(() => {}); // reported to those who waited for it
    next = undefined;
    running = run();
    return running;
  }

  return {
    flush() {
      if (next !== undefined) return next;
      if (running !== undefined) {
        // The flush under way may have begun before this commit.
        next = runAfter(running);
        return next;
      }
      running = run();
      return running;
    },
    assertHealthy() {
      if (failure !== undefined) throw failure;
    },
    failures: () => (failure === undefined ? 0 : 1),
  };
}
