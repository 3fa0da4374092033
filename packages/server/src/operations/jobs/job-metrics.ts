import { Counter, Gauge, Histogram, type Registry as MetricsRegistry } from "prom-client";
import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../storage/database/database.ts";
import type { AttemptOutcome } from "./attempt.ts";
import { countJobs, type JobCounts, livingStates } from "./job-management-store.ts";

export interface JobMetricsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly metrics: MetricsRegistry;
  readonly running: () => number;
}

/** How long counts are good for: watchers ask every few seconds, and there may be many of them. */
const countsMs = 10_000;

/** Figures of the jobs. Labels are kinds and states, which the program names. */
export function declareJobMetrics(deps: JobMetricsDeps) {
  const registers = [deps.metrics];
  let counted: { readonly atMs: number; readonly counts: Promise<readonly JobCounts[]> } | undefined;

  function counts(): Promise<readonly JobCounts[]> {
    const nowMs = deps.clock.nowMs();
    if (counted === undefined || Math.abs(nowMs - counted.atMs) >= countsMs) {
      // Numbers that cannot be had are left out; the others must be told all the same.
      counted = { atMs: nowMs, counts: countJobs(deps.database.read).catch(() => []) };
    }
    return counted.counts;
  }

  new Gauge({
    name: "entrepot_jobs",
    help: "Jobs of all instances that have not ended well, by kind and state (waiting, queued, running, failed).",
    labelNames: ["kind", "state"] as const,
    registers,
    async collect() {
      this.reset();
      for (const each of await counts()) {
        for (const state of livingStates) this.set({ kind: each.kind, state }, each.counts[state]);
      }
    },
  });
  new Gauge({
    name: "entrepot_jobs_oldest_due_seconds",
    help: "How long the job has been due that has been so for the longest, by kind.",
    labelNames: ["kind"] as const,
    registers,
    async collect() {
      this.reset();
      for (const { kind, oldestDueMs } of await counts()) {
        if (oldestDueMs !== undefined)
          this.set({ kind }, Math.max(0, deps.clock.nowMs() - oldestDueMs) / 1_000);
      }
    },
  });
  new Gauge({
    name: "entrepot_jobs_running_here",
    help: "Jobs that this process runs.",
    registers,
    collect() {
      this.set(deps.running());
    },
  });
  const attempts = new Counter({
    name: "entrepot_job_attempts_total",
    help: "Attempts at jobs in this process, by kind and by how they ended (done, again, failed, cancelled, lost, given-back).",
    labelNames: ["kind", "outcome"] as const,
    registers,
  });
  const duration = new Histogram({
    name: "entrepot_job_duration_seconds",
    help: "How long attempts at jobs took in this process, by kind.",
    labelNames: ["kind"] as const,
    buckets: [0.01, 0.1, 1, 10, 60, 600, 3_600],
    registers,
  });
  return {
    ended(kind: string, outcome: AttemptOutcome, durationMs: number): void {
      attempts.inc({ kind, outcome });
      duration.observe({ kind }, durationMs / 1_000);
    },
  };
}
