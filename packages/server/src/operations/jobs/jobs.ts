import type { Registry as MetricsRegistry } from "prom-client";
import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Database } from "../../storage/database/database.ts";
import { pruneJobs } from "./job-management-store.ts";
import { declareJobMetrics } from "./job-metrics.ts";
import { jobEndpoints } from "./job-routes.ts";
import { createJobRunner, type RunnerTimes, usualTimes } from "./job-runner.ts";
import { registerKinds } from "./run-schedules.ts";
import { endLeases } from "./running-job-store.ts";

export interface JobsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly instanceId: string;
  readonly metrics: MetricsRegistry;
  /** Jobs that this process runs at once; 0 = none. */
  readonly atOnce: number;
  /** How long jobs are kept that were done or cancelled; those of schedules a day at most. */
  readonly keptDoneMs: number;
  readonly keptFailedMs: number;
  /** No other process uses the database: whatever is said to run at the start was left by the process before. */
  readonly isAlone: boolean;
  /** Absent = as usual; tests are in a hurry. */
  readonly times?: RunnerTimes;
  readonly kinds: readonly JobKind[];
}

/** Background work as the composition root sees it. */
export interface Jobs {
  readonly endpoints: readonly Endpoint[];
  /** Writes down the kinds, and begins to run jobs. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** There may be work: looks at once. To be called after a commit that queued some. */
  readonly wake: () => void;
  /** When this process last looked for work; undefined = it has not, or runs none. */
  readonly lookedAtMs: () => number | undefined;
}

const dayMs = 86_400_000;
const pruneBatch = 5_000;

/** Two kinds of one name are an `Error`: the program is wrong. */
export function createJobs(deps: JobsDeps): Jobs {
  const kinds = new Map<string, JobKind>();
  for (const kind of [...deps.kinds, pruneKind(deps)]) {
    if (kinds.has(kind.kind)) throw new Error(`two kinds of jobs are named ${kind.kind}`);
    kinds.set(kind.kind, kind);
  }
  const runner = createJobRunner({
    ...deps,
    kinds,
    times: deps.times ?? usualTimes,
    onEnded: (job, outcome, durationMs) => metrics.ended(job.kind, outcome, durationMs),
  });
  const metrics = declareJobMetrics({ ...deps, running: runner.running });
  let stopListening: (() => void) | undefined;
  return {
    endpoints: jobEndpoints({ ...deps, kinds, wake: runner.wake }),
    async start() {
      await registerKinds(deps.database, kinds.values(), deps.clock.nowMs());
      if (deps.isAlone) await deps.database.transaction((tx) => endLeases(tx), { durable: false });
      stopListening = deps.database.onNotice("jobs", runner.wake);
      runner.start();
    },
    async stop() {
      stopListening?.();
      await runner.stop();
    },
    wake: runner.wake,
    lookedAtMs: runner.lookedAtMs,
  };
}

function pruneKind({ database, clock, keptDoneMs, keptFailedMs }: JobsDeps): JobKind {
  return jobKind<undefined>({
    kind: "jobs.prune",
    summary: "Forgets jobs that ended long ago.",
    maxAttempts: 3,
    timeoutMs: 600_000,
    concurrency: 1,
    schedule: { everyMs: 600_000 },
    async run(_job, signal) {
      const nowMs = clock.nowMs();
      const before = {
        doneMs: nowMs - keptDoneMs,
        scheduledMs: nowMs - Math.min(keptDoneMs, dayMs),
        failedMs: nowMs - keptFailedMs,
      };
      let forgotten = 0;
      for (;;) {
        signal.throwIfAborted();
        const count = await database.transaction((tx) => pruneJobs(tx, { ...before, limit: pruneBatch }), {
          durable: false,
        });
        forgotten += count;
        if (count < pruneBatch) return { forgotten };
      }
    },
  });
}
