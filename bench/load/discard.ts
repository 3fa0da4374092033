import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { DiscardJob, JobResult } from "./job.ts";

/** What one thread does: so many requests on one connection. */
export interface DiscardShare {
  readonly job: DiscardJob;
  readonly requests: number;
}

/** What one thread has seen. */
export interface DiscardOutcome {
  readonly latenciesMs: readonly number[];
  readonly bytes: number;
}

/** Runs the job with one thread for each connection; all have connected before the clock starts. */
export async function runDiscard(job: DiscardJob): Promise<JobResult> {
  const share = Math.ceil(job.requests / job.connections);
  const workers = Array.from(
    { length: job.connections },
    () =>
      new Worker(new URL("./discard-worker.ts", import.meta.url), { workerData: { job, requests: share } }),
  );
  // The first message says that the thread is ready.
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const started = performance.now();
  const outcomes = await Promise.all(
    workers.map(async (worker) => {
      worker.postMessage("go");
      const [outcome] = (await once(worker, "message")) as [DiscardOutcome]; // as: discard-worker.ts sends one
      return outcome;
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  const latencies = outcomes.flatMap((outcome) => outcome.latenciesMs).sort((left, right) => left - right);
  const at = (part: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
  return { seconds, bytes, requests: latencies.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}
