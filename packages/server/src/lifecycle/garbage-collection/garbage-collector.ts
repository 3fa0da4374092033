import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { acquireLease, releaseLease } from "../../storage/database/lease-store.ts";
import { type Collected, collectGarbage, type GarbageDeps } from "./collect-garbage.ts";
import { countGarbage, type GarbageCounts } from "./garbage-store.ts";

export interface GarbageCollectorDeps extends GarbageDeps {
  readonly instanceId: string;
  /** Between two passes of this process; 0 = only `runNow`. */
  readonly intervalMs: number;
  readonly metrics: MetricsRegistry;
  /** Housekeeping of other areas that rides along, each idempotent and bounded: uploads that expired, events, tokens. */
  readonly chores: readonly { readonly name: string; run(): Promise<void> }[];
  /** Called after a pass that removed content, so that nothing of it is served from memory. */
  readonly onRemoved: () => void;
}

export interface PassReport extends Collected {
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface GarbageCollector {
  /** Starts the passes in the background, on every instance; a lease lets one at a time work. */
  start(): void;
  /** Ends the pass under way within a batch, and starts no further one. */
  stop(): Promise<void>;
  /** One pass now, written down as asked for by somebody. `CONFLICT` when another instance is at it. */
  runNow(source: AuditSource): Promise<PassReport>;
  /** What a pass would find. Changes nothing. */
  preview(): Promise<GarbageCounts>;
  lastPass(): PassReport | undefined;
}

const leaseName = "garbage-collection";
// A pass renews its lease by ending; one that dies is taken over after this.
const leaseMs = 300_000;

export function createGarbageCollector(deps: GarbageCollectorDeps): GarbageCollector {
  const metrics = declareMetrics(deps.metrics);
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<PassReport | undefined> | undefined;
  let last: PassReport | undefined;

  /** Undefined when another instance holds the lease. */
  async function pass(): Promise<PassReport | undefined> {
    const startedAtMs = deps.clock.nowMs();
    const lease = { name: leaseName, holder: deps.instanceId };
    const mine = await deps.database.transaction(
      (tx) => acquireLease(tx, { ...lease, nowMs: startedAtMs, untilMs: startedAtMs + leaseMs }),
      { durable: false },
    );
    if (!mine) return undefined;
    try {
      for (const chore of deps.chores) {
        if (!stopping.signal.aborted) await chore.run();
      }
      const collected = await collectGarbage(deps, stopping.signal);
      if (collected.manifests + collected.links > 0) deps.onRemoved();
      last = { ...collected, startedAtMs, durationMs: deps.clock.nowMs() - startedAtMs };
      metrics.observe(last);
      if (collected.manifests + collected.links + collected.blobs + collected.bytes > 0) {
        deps.log.info({ ...last }, "garbage collected");
      }
      return last;
    } finally {
      await deps.database.transaction((tx) => releaseLease(tx, lease), { durable: false });
    }
  }

  /** One pass at a time in this process; who comes while one runs shares it. */
  function shared(): Promise<PassReport | undefined> {
    running ??= pass().finally(() => {
      running = undefined;
    });
    return running;
  }

  function schedule(): void {
    if (deps.intervalMs === 0 || stopping.signal.aborted) return;
    timer = setTimeout(() => {
      shared()
        .catch((error: unknown) => {
          metrics.failures.inc();
          deps.log.error({ error }, "garbage collection failed; it is tried again");
        })
        .finally(schedule);
    }, deps.intervalMs);
    timer.unref();
  }

  return {
    start: schedule,
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      // A failure has been logged where the pass was started.
      await running?.catch(() => undefined);
    },
    async runNow(source) {
      const report = await shared();
      if (report === undefined) {
        throw new AppError("CONFLICT", "another instance is collecting garbage now", {
          retryAfterSeconds: 5,
        });
      }
      const { startedAtMs: _, ...counts } = report;
      await deps.database.transaction((tx) =>
        recordAudit(tx, source, deps.clock.nowMs(), {
          action: "garbage-collection.run",
          target: "registry",
          detail: counts,
        }),
      );
      return report;
    },
    preview() {
      const nowMs = deps.clock.nowMs();
      return countGarbage(deps.database.read, {
        graceMs: nowMs - deps.graceMs,
        untaggedMs: deps.untaggedAfterMs === undefined ? undefined : nowMs - deps.untaggedAfterMs,
      });
    },
    lastPass: () => last,
  };
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
