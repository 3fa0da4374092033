import { performance } from "node:perf_hooks";
import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { CacheLookups } from "../../lib/guarded-cache.ts";
import type { Database } from "../../storage/database/database.ts";
import { readNumbers, type StorageNumbers } from "./storage-numbers-store.ts";

export interface InstanceMetricsDeps {
  readonly metrics: MetricsRegistry;
  readonly database: Database;
  readonly version: string;
  readonly maxRequestsInFlight: number;
  readonly maxConnections: number;
  readonly cacheLookups: () => Readonly<Record<string, CacheLookups>>;
}

export interface InstanceMetrics {
  /** To be told of every request that was answered. */
  readonly served: (request: Counted) => void;
}

/** A request as far as these figures go. */
interface Counted {
  readonly endpointId: string;
  readonly status: number;
}

/** How long utilization is looked at: what asks more often is told the same. */
const windowMs = 5_000;

/** How busy this process is and what it serves. No label comes from outside. */
export function declareInstanceMetrics(deps: InstanceMetricsDeps): InstanceMetrics {
  const registers = [deps.metrics];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  new Gauge({
    name: "entrepot_build_info",
    help: "1, with the version of the program.",
    labelNames: ["version"] as const,
    registers,
  }).set({ version: deps.version }, 1);
  gauge(
    "entrepot_database_connections_in_use",
    "Database connections of this process that work (SQLite: writers).",
    () => deps.database.load().inUse,
  );
  gauge(
    "entrepot_database_connections_limit",
    "Database connections that this process may have.",
    () => deps.database.load().size,
  );
  gauge(
    "entrepot_database_waiting",
    "Requests and jobs of this process that wait for a database connection.",
    () => deps.database.load().waiting,
  );
  const loop = watchEventLoop();
  gauge(
    "entrepot_event_loop_utilization",
    "Share of the last seconds in which the event loop worked, 0 to 1.",
    loop,
  );
  declareUtilization(deps, loop);
  declareCaches(deps);
  declareReplica(deps);
  declareStorage(deps);
  const pulls = new Counter({
    name: "entrepot_pulls_total",
    help: "Manifests that this process sent.",
    registers,
  });
  const pushes = new Counter({
    name: "entrepot_pushes_total",
    help: "Manifests that this process took.",
    registers,
  });
  return {
    served({ endpointId, status }) {
      if (endpointId === "manifests.get" && status === 200) pulls.inc();
      else if (endpointId === "manifests.put" && status < 300) pushes.inc();
    },
  };
}

function watchEventLoop(): () => number {
  let since = performance.eventLoopUtilization();
  let sinceMs = performance.now();
  let utilization = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs - sinceMs >= windowMs || utilization === 0) {
      ({ utilization } = performance.eventLoopUtilization(since));
      since = performance.eventLoopUtilization();
      sinceMs = nowMs;
    }
    return utilization;
  };
}

/** The fullest of what can be full: one number to add and take away instances by. */
function declareUtilization(deps: InstanceMetricsDeps, loop: () => number): void {
  const { metrics, database } = deps;
  new Gauge({
    name: "entrepot_utilization",
    help: "How full this process is, 0 to 1: the most of event loop, database connections, requests in flight and connections. For autoscaling.",
    registers: [metrics],
    async collect() {
      const { inUse, waiting, size } = database.load();
      const shares = [
        loop(),
        // A single writer that works is not full; one for which others wait is.
        database.engine === "sqlite" ? Math.min(1, waiting / 10) : Math.min(1, (inUse + waiting) / size),
        (await valueOf(metrics, "entrepot_http_requests_in_flight")) / deps.maxRequestsInFlight,
        (await valueOf(metrics, "entrepot_http_connections")) / deps.maxConnections,
      ];
      this.set(Math.min(1, Math.max(...shares)));
    },
  });
}

async function valueOf(metrics: MetricsRegistry, name: string): Promise<number> {
  return (await metrics.getSingleMetric(name)?.get())?.values[0]?.value ?? 0;
}

function declareCaches(deps: InstanceMetricsDeps): void {
  new Counter({
    name: "entrepot_cache_lookups_total",
    help: "Look-ups in the caches of this process, by cache (manifest, blob) and outcome (hit, miss).",
    labelNames: ["cache", "outcome"] as const,
    registers: [deps.metrics],
    collect() {
      this.reset();
      for (const [cache, { hits, misses }] of Object.entries(deps.cacheLookups())) {
        this.inc({ cache, outcome: "hit" }, hits);
        this.inc({ cache, outcome: "miss" }, misses);
      }
    },
  });
}

function declareReplica({ metrics, database: { replica } }: InstanceMetricsDeps): void {
  new Counter({
    name: "entrepot_database_replica_reads_total",
    help: "Reads that the replica may answer, by what became of them: replica (it answered), or the primary did, because it was lagging, failed, foreign (no standby of the primary) or paused after one of these.",
    labelNames: ["outcome"] as const,
    registers: [metrics],
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(replica?.outcomes() ?? {})) this.inc({ outcome }, count);
    },
  });
  new Gauge({
    name: "entrepot_database_replica_lag_bytes",
    help: "Bytes of the primary's log that the replica had yet to replay when it was last asked; NaN = not known, or there is none.",
    registers: [metrics],
    collect() {
      this.set(replica?.lagBytes() ?? Number.NaN);
    },
  });
}

function declareStorage({ metrics, database }: InstanceMetricsDeps): void {
  const figures: readonly (readonly [string, string, (numbers: StorageNumbers) => number])[] = [
    ["entrepot_storage_blobs", "Blobs in the registry.", (numbers) => numbers.blobs],
    [
      "entrepot_storage_bytes",
      "Bytes of all blobs in the registry, each counted once.",
      (numbers) => numbers.blobBytes,
    ],
    ["entrepot_storage_manifests", "Manifests in the registry.", (numbers) => numbers.manifests],
    ["entrepot_storage_repositories", "Repositories in the registry.", (numbers) => numbers.repositories],
    [
      "entrepot_uploads_in_progress",
      "Uploads that were begun and neither finished nor dropped.",
      (numbers) => numbers.uploads,
    ],
    [
      "entrepot_storage_counted_timestamp_seconds",
      "When the numbers of the storage were counted; the same for all instances.",
      (numbers) => numbers.countedAtMs / 1_000,
    ],
  ];
  for (const [name, help, of] of figures) {
    new Gauge({
      name,
      help: `${help}${name.endsWith("seconds") ? "" : " Counted every few minutes, the same for all instances."}`,
      registers: [metrics],
      async collect() {
        // Numbers that cannot be had are left as they were; the others must be told all the same.
        const numbers = await readNumbers(database.read).catch(() => undefined);
        if (numbers !== undefined) this.set(of(numbers));
      },
    });
  }
}
