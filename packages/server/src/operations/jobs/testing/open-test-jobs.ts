import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { byRegistry } from "../../../activity/audit/record-audit.ts";
import { draftJob, type JobOptions } from "../../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../../activity/jobs/enqueue-job.ts";
import { type JobKind, jobKind } from "../../../activity/jobs/job-kind.ts";
import { findJob, type Job } from "../../../activity/jobs/job-store.ts";
import { createMovableClock, type MovableClock } from "../../../identity/testing/movable-clock.ts";
import { type Log, silentLog } from "../../../lib/log.ts";
import type { Database } from "../../../storage/database/database.ts";
import type { RunnerTimes } from "../job-runner.ts";
import { createJobs, type Jobs } from "../jobs.ts";

/** Instances over one database that run the kinds of a test, in the times of a test. */
export interface TestJobs {
  readonly database: Database;
  readonly clock: MovableClock;
  /** Another instance; it is stopped when the test ends. Not started. */
  instance(options?: {
    readonly name?: string;
    readonly atOnce?: number;
    readonly kinds?: readonly JobKind[];
    readonly log?: Log;
  }): Jobs;
  enqueue(kind: JobKind, options?: JobOptions, payload?: unknown): Promise<number>;
  job(id: number): Promise<Job>;
  /** Resolves when the job is in one of the states. */
  until(id: number, ...states: readonly Job["state"][]): Promise<Job>;
}

export const quickTimes: RunnerTimes = { pollMs: 10, leaseMs: 60_000, beatMs: 10, stopMs: 300 };

export function openTestJobs(
  t: TestContext,
  database: Database,
  kinds: readonly JobKind[],
  times: Partial<RunnerTimes> = {},
): TestJobs {
  const clock = createMovableClock();
  let instances = 0;
  return {
    database,
    clock,
    instance(options = {}) {
      instances += 1;
      const jobs = createJobs({
        database,
        clock,
        log: options.log ?? silentLog,
        instanceId: options.name ?? `instance-${instances}`,
        metrics: new Registry(),
        atOnce: options.atOnce ?? 8,
        keptDoneMs: 7 * 86_400_000,
        keptFailedMs: 30 * 86_400_000,
        isAlone: false,
        times: { ...quickTimes, ...times },
        kinds: options.kinds ?? kinds,
      });
      t.after(() => jobs.stop());
      return jobs;
    },
    async enqueue(kind, options, payload) {
      const draft = await draftJob(kind, payload, options);
      return database.transaction((tx) => enqueueJob(tx, draft, byRegistry, clock.nowMs()));
    },
    job,
    async until(id, ...states) {
      for (;;) {
        const found = await job(id);
        if (states.includes(found.state)) return found;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };

  async function job(id: number): Promise<Job> {
    const found = await findJob(database.read, id);
    if (found === undefined) throw new Error(`there is no job ${id}`);
    return found;
  }
}

/** A kind with whatever a test needs. */
export function testKind(run: JobKind["run"], more: Partial<JobKind> = {}): JobKind {
  return jobKind({
    kind: "test",
    summary: "A test.",
    maxAttempts: 3,
    timeoutMs: 60_000,
    concurrency: 100,
    firstPauseMs: 1_000,
    ...more,
    run,
  });
}
