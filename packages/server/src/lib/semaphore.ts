import { AppError } from "./app-error.ts";

/** Lets a bounded number of jobs run at once, and a bounded number wait. */
export interface Semaphore {
  /** Runs the job when it is its turn. `OVERLOADED` at once when too many wait already. */
  run<T>(job: () => Promise<T>): Promise<T>;
}

export function createSemaphore(atOnce: number, maxWaiting: number): Semaphore {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(job) {
      if (running >= atOnce) {
        if (waiting.length >= maxWaiting) {
          throw new AppError("OVERLOADED", "too many are waiting for this already; try again in a moment", {
            retryAfterSeconds: 1,
          });
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      } else running += 1;
      try {
        return await job();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next(); // the turn is handed on
      }
    },
  };
}
