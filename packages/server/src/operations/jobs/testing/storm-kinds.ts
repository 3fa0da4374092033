import { setTimeout as wait } from "node:timers/promises";
import { type JobKind, jobKind } from "../../../activity/jobs/job-kind.ts";
import type { Database } from "../../../storage/database/database.ts";
import { noteStep } from "./storm-store.ts";

/** Work that leaves a trace of each step, under the lease, and a schedule that is due all the time. */
export function stormKinds(database: Database): readonly JobKind[] {
  return [
    jobKind<undefined>({
      kind: "storm",
      summary: "A test.",
      maxAttempts: 1_000,
      timeoutMs: 60_000,
      concurrency: 8,
      firstPauseMs: 10,
      longestPauseMs: 20,
      async run(job, signal) {
        for (const step of ["begin", "end"]) {
          await database.transaction(async (tx) => {
            await job.hold(tx);
            await noteStep(tx, { jobId: job.id, attempt: job.attempt, step });
          });
          if (step === "begin") await wait(20, undefined, { signal });
        }
      },
    }),
    jobKind<undefined>({
      kind: "tick",
      summary: "A test.",
      maxAttempts: 1_000,
      timeoutMs: 60_000,
      concurrency: 1,
      firstPauseMs: 10,
      longestPauseMs: 20,
      schedule: { everyMs: 100 },
      run: async () => {},
    }),
  ];
}
