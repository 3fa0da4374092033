import { setTimeout as wait } from "node:timers/promises";
import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import { findJob, findLastDone, isKindKnown, type Job } from "../../activity/jobs/job-store.ts";
import { AppError } from "../../lib/app-error.ts";
import { type Collected, collectGarbage, type GarbageDeps } from "./collect-garbage.ts";
import { countGarbage, type GarbageCounts } from "./garbage-store.ts";
import { heldUntil, holdBytes, releaseBytes } from "./hold-bytes.ts";

export interface GarbageCollectorDeps extends GarbageDeps {
  /** Between two passes; 0 = only `runNow`. */
  readonly intervalMs: number;
  readonly metrics: MetricsRegistry;
  /** Called after a pass that removed content, so that nothing of it is served from memory. */
  readonly onRemoved: () => void;
}

export interface PassReport extends Collected {
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface GarbageCollector {
  /** The pass as a job: by schedule, on one instance at a time, stopped within a batch. */
  readonly kind: JobKind;
  /**
   * Has a pass run now by whichever instance is free, after the one under way, and waits for its end; written down as asked for by somebody.
   * `UNAVAILABLE` when nobody begins it within half a minute, or it fails; it is tried again all the same. `wake` as `Jobs.wake`.
   */
  runNow(source: AuditSource, wake: () => void, signal: AbortSignal): Promise<PassReport>;
  /** What a pass would find. Changes nothing. */
  preview(): Promise<GarbageCounts>;
  /** Keeps all bytes in storage for so long from now; tells until when. See `holdBytes`. */
  hold(source: AuditSource, forMs: number): Promise<number>;
  release(source: AuditSource): Promise<void>;
  heldUntil(): Promise<number | undefined>;
  /** The last pass of any instance; undefined = none in the last days. */
  lastPass(): Promise<PassReport | undefined>;
}

const kindName = "garbage-collection";
const passLimitMs = 3_600_000;
const beginLimitMs = 30_000;
const lookEveryMs = 50;

export function createGarbageCollector(deps: GarbageCollectorDeps): GarbageCollector {
  const { database, clock } = deps;
  const metrics = declareMetrics(deps.metrics);
  const kind = jobKind<undefined>({
    kind: kindName,
    summary: "Removes content that nothing refers to any more.",
    maxAttempts: 3,
    timeoutMs: passLimitMs,
    concurrency: 1,
    schedule: deps.intervalMs === 0 ? undefined : { everyMs: deps.intervalMs },
    async run(job, signal) {
      const startedAtMs = clock.nowMs();
      const collected = await collectGarbage(deps, signal).catch((error: unknown) => {
        if (!signal.aborted) metrics.failures.inc();
        throw error;
      });
      if (collected.manifests + collected.links > 0) deps.onRemoved();
      const report = { ...collected, startedAtMs, durationMs: clock.nowMs() - startedAtMs };
      metrics.observe(report);
      const isAny = collected.manifests + collected.links + collected.blobs + collected.bytes > 0;
      if (isAny) job.log.info({ ...report }, "garbage collected");
      // What is left is for the next pass.
      signal.throwIfAborted();
      return report;
    },
  });

  return {
    kind,
    async runNow(source, wake, signal) {
      const draft = await draftJob(kind, undefined, { uniqueKey: "asked for", priority: 1 });
      if (!(await isKindKnown(database.read, kindName))) throw unavailable("no instance runs jobs so far");
      const nowMs = clock.nowMs();
      const id = await database.transaction((tx) => enqueueJob(tx, draft, source, nowMs));
      wake();
      const report = await waitFor(deps, id, signal);
      const { startedAtMs: _, ...counts } = report;
      await database.transaction((tx) =>
        recordAudit(tx, source, clock.nowMs(), {
          action: "garbage-collection.run",
          target: "registry",
          detail: { ...counts },
        }),
      );
      return report;
    },
    preview() {
      const nowMs = clock.nowMs();
      return countGarbage(database.read, {
        graceMs: nowMs - deps.graceMs,
        untaggedMs: deps.untaggedAfterMs === undefined ? undefined : nowMs - deps.untaggedAfterMs,
      });
    },
    async hold(source, forMs) {
      const untilMs = clock.nowMs() + forMs;
      await holdBytes(deps, source, untilMs);
      return untilMs;
    },
    release: (source) => releaseBytes(deps, source),
    heldUntil: () => heldUntil(deps),
    async lastPass() {
      return reportOf(await findLastDone(database.read, kindName));
    },
  };
}

async function waitFor(deps: GarbageCollectorDeps, id: number, signal: AbortSignal): Promise<PassReport> {
  const since = performance.now();
  for (;;) {
    const job = await findJob(deps.database.read, id);
    const report = reportOf(job);
    if (report !== undefined) return report;
    const state = job?.state ?? "cancelled";
    const hasBegun = job !== undefined && job.attempts > 0;
    if (state === "failed" || state === "cancelled" || (state === "waiting" && hasBegun)) {
      throw unavailable(`the pass did not end well: ${job?.error ?? state}`);
    }
    if (state === "queued" && performance.now() - since > beginLimitMs) {
      throw unavailable(`no instance has begun the pass so far; it is job ${id} and runs when one is free`);
    }
    await wait(lookEveryMs, undefined, { signal });
  }
}

function unavailable(message: string): AppError {
  return new AppError("UNAVAILABLE", message, { retryAfterSeconds: 5 });
}

function reportOf(job: Job | undefined): PassReport | undefined {
  if (job?.state !== "done" || job.result === undefined) return undefined;
  return JSON.parse(job.result) as PassReport; // as: written by the kind above
}

function declareMetrics(registry: MetricsRegistry) {
  const collected = new Counter({
    name: "entrepot_gc_collected_total",
    help: "Things that garbage collection removed, by kind.",
    labelNames: ["kind"] as const,
    registers: [registry],
  });
  const bytes = new Counter({
    name: "entrepot_gc_freed_bytes_total",
    help: "Bytes that garbage collection removed from the blob store.",
    registers: [registry],
  });
  const duration = new Gauge({
    name: "entrepot_gc_last_duration_seconds",
    help: "How long the last pass of this process took.",
    registers: [registry],
  });
  const failures = new Counter({
    name: "entrepot_gc_failures_total",
    help: "Passes that ended with an error.",
    registers: [registry],
  });
  return {
    failures,
    observe(report: PassReport): void {
      collected.inc({ kind: "manifest" }, report.manifests);
      collected.inc({ kind: "link" }, report.links);
      collected.inc({ kind: "blob" }, report.blobs);
      bytes.inc(report.bytes);
      duration.set(report.durationMs / 1_000);
    },
  };
}
