import { AppError } from "./app-error.ts";
import type { Clock } from "./clock.ts";

/** Spares a service that does not answer, and those who wait for it. */
export interface CircuitBreaker {
  /**
   * Runs the job. After `failures` failures in a row nothing is run for `pauseMs` and the answer is `UNAVAILABLE` at once; then one job is let
   * through to see. What `isFailure` says is none leaves the breaker closed; so does an abort of the caller.
   */
  run<T>(job: () => Promise<T>): Promise<T>;
}

export function createCircuitBreaker(options: {
  readonly clock: Clock;
  readonly failures: number;
  readonly pauseMs: number;
  readonly isFailure: (error: unknown) => boolean;
  /** For a person: who does not answer. */
  readonly what: string;
}): CircuitBreaker {
  const { clock } = options;
  let failed = 0;
  let failedAtMs = 0;
  let isTrying = false;

  return {
    async run(job) {
      if (failed >= options.failures) {
        // The distance, as a clock that was set back must not keep it open for ever.
        const sinceMs = Math.abs(clock.nowMs() - failedAtMs);
        if (sinceMs < options.pauseMs || isTrying) {
          const waitMs = Math.max(1_000, options.pauseMs - sinceMs);
          throw new AppError("UNAVAILABLE", `${options.what} does not answer; try again later`, {
            retryAfterSeconds: Math.ceil(waitMs / 1_000),
          });
        }
        isTrying = true;
      }
      try {
        const result = await job();
        failed = 0;
        return result;
      } catch (error) {
        if (options.isFailure(error)) {
          failed += 1;
          failedAtMs = clock.nowMs();
        } else failed = 0;
        throw error;
      } finally {
        isTrying = false;
      }
    },
  };
}
