import { performance } from "node:perf_hooks";
import { AppError } from "../../lib/app-error.ts";

/** Lets at most a fixed number of holders in at a time, first come first served, each waiting no longer than a limit. */
export interface Turns {
  /**
   * Resolves when it is the caller's turn, with the time (`performance.now()`) until which the caller may go on waiting for other
   * things. Throws `UNAVAILABLE` when the turn did not come in time or after `close`; either way it will not come
   * later. Whoever got a turn gives it back with `release`, once.
   */
  acquire(): Promise<number>;
  release(): void;
  /** How many hold a turn now, and how many wait for one. */
  readonly load: () => DatabaseLoad;
  /** Refuses everybody who waits or comes, and resolves when all holders have given their turns back. Repeatable. */
  close(): Promise<void>;
}

/** How busy the connections are. */
export interface DatabaseLoad {
  readonly inUse: number;
  readonly waiting: number;
  /** Connections at most. */
  readonly size: number;
}

interface Waiter {
  readonly grant: () => void;
  readonly refuse: (error: AppError) => void;
}

export function createTurns(holders: number, waitLimitMs: number): Turns {
  let free = holders;
  let isClosed = false;
  const waiting = new Set<Waiter>(); // in order of arrival
  const closers: (() => void)[] = [];

  function wait(deadlineMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(waiter);
        reject(busy());
      }, waitLimitMs);
      const waiter: Waiter = {
        grant: () => {
          clearTimeout(timer);
          resolve(deadlineMs);
        },
        refuse: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      waiting.add(waiter);
    });
  }

  return {
    async acquire() {
      if (isClosed) throw closed();
      const deadlineMs = performance.now() + waitLimitMs;
      if (free === 0) return wait(deadlineMs);
      free -= 1;
      return deadlineMs;
    },
    release() {
      const [next] = waiting;
      if (next !== undefined) {
        waiting.delete(next);
        next.grant();
        return;
      }
      free += 1;
      if (isClosed && free === holders) for (const done of closers.splice(0)) done();
    },
    load: () => ({ inUse: holders - free, waiting: waiting.size, size: holders }),
    close() {
      isClosed = true;
      for (const waiter of waiting) waiter.refuse(closed());
      waiting.clear();
      return free === holders ? Promise.resolve() : new Promise((resolve) => closers.push(resolve));
    },
  };
}

/** The answer to whoever waited too long for the database. */
export function busy(): AppError {
  return new AppError("UNAVAILABLE", "the database is busy; try again in a moment", { retryAfterSeconds: 1 });
}

function closed(): AppError {
  return new AppError("UNAVAILABLE", "the server is shutting down", { retryAfterSeconds: 5 });
}
