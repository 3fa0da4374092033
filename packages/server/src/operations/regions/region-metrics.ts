import { Counter, Gauge, Histogram, type Registry as MetricsRegistry } from "prom-client";
import type { Clock } from "../../lib/clock.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { Database } from "../../storage/database/database.ts";
import { countOpenIn, nothingOpen } from "./count-regions.ts";
import type { OpenCounts } from "./region-status-store.ts";

export interface RegionMetrics {
  readonly copied: (region: string, bytes: number, waitedMs: number) => void;
  readonly failed: (region: string) => void;
}

const freshMs = 10_000;

/** Figures of storage regions for Prometheus; nothing is counted where there is one storage. */
export function declareRegionMetrics(deps: {
  readonly metrics: MetricsRegistry;
  readonly database: Database;
  readonly clock: Clock;
  readonly regional: RegionalBlobStore | undefined;
}): RegionMetrics {
  const registers = [deps.metrics];
  const labelNames = ["region"] as const;
  const copiedBlobs = new Counter({
    name: "entrepot_region_copied_blobs_total",
    help: "Blobs that this process copied to a storage region.",
    labelNames,
    registers,
  });
  const copiedBytes = new Counter({
    name: "entrepot_region_copied_bytes_total",
    help: "Bytes that this process copied to a storage region.",
    labelNames,
    registers,
  });
  const failures = new Counter({
    name: "entrepot_region_failures_total",
    help: "Copies to a storage region, and removals there, that failed in this process and are tried again.",
    labelNames,
    registers,
  });
  const lag = new Histogram({
    name: "entrepot_region_copy_lag_seconds",
    help: "From when a blob was wanted in a storage region until it was there.",
    labelNames,
    buckets: [0.5, 1, 2, 5, 15, 60, 300, 1_800, 7_200],
    registers,
  });
  declareGauges(deps);
  return {
    copied(region, bytes, waitedMs) {
      if (bytes > 0) copiedBlobs.inc({ region });
      copiedBytes.inc({ region }, bytes);
      lag.observe({ region }, waitedMs / 1_000);
    },
    failed: (region) => failures.inc({ region }),
  };
}

function declareGauges({
  metrics,
  database,
  clock,
  regional,
}: {
  readonly metrics: MetricsRegistry;
  readonly database: Database;
  readonly clock: Clock;
  readonly regional: RegionalBlobStore | undefined;
}): void {
  const names = regional?.regions.map(({ name }) => name) ?? [];
  let counted: Promise<ReadonlyMap<string, OpenCounts>> | undefined;
  let countedAtMs = 0;
  // One look for all gauges of one scrape.
  const look = () => {
    if (counted === undefined || Math.abs(clock.nowMs() - countedAtMs) > freshMs) {
      countedAtMs = clock.nowMs();
      counted = countOpenIn(database.read, names);
    }
    return counted;
  };
  const figures: readonly (readonly [string, string, (counts: Omit<OpenCounts, "isCut">) => number])[] = [
    [
      "entrepot_region_missing_blobs",
      "Blobs that are still to be copied to a storage region; the same for all instances.",
      (counts) => counts.waiting.blobs,
    ],
    [
      "entrepot_region_missing_bytes",
      "Bytes that are still to be copied to a storage region; the same for all instances.",
      (counts) => counts.waiting.bytes,
    ],
    [
      "entrepot_region_oldest_missing_seconds",
      "How long the blob waits that has waited longest to be copied to a storage region; the same for all instances.",
      ({ waiting }) =>
        waiting.oldestSinceMs === undefined ? 0 : Math.max(0, clock.nowMs() - waiting.oldestSinceMs) / 1_000,
    ],
    [
      "entrepot_region_surplus_blobs",
      "Blobs that a storage region has, may not have any more, and gives up once another has them; the same for all instances.",
      (counts) => counts.surplus,
    ],
    [
      "entrepot_region_owed_deletions",
      "Blobs whose bytes a storage region must still remove, as it did not answer; the same for all instances.",
      (counts) => counts.owedDeletions,
    ],
  ];
  for (const [name, help, of] of figures) {
    new Gauge({
      name,
      help,
      labelNames: ["region"] as const,
      registers: [metrics],
      async collect() {
        if (names.length === 0) return;
        // Figures that cannot be had are left as they were.
        const counts = await look().catch(() => undefined);
        if (counts === undefined) return;
        for (const region of names) this.set({ region }, of(counts.get(region) ?? nothingOpen));
      },
    });
  }
  new Counter({
    name: "entrepot_region_reads_total",
    help: "Blobs that this process opened in a storage region, its own or another.",
    labelNames: ["region", "from"] as const,
    registers: [metrics],
    collect() {
      this.reset();
      for (const [region, reads] of regional?.reads() ?? []) {
        this.inc({ region, from: region === names[0] ? "own" : "elsewhere" }, reads);
      }
    },
  });
  new Gauge({
    name: "entrepot_region_up",
    help: "1 while a storage region answers this process, 0 while it does not.",
    labelNames: ["region"] as const,
    registers: [metrics],
    collect() {
      for (const { name, watch } of regional?.regions ?? [])
        this.set({ region: name }, watch.isDown() ? 0 : 1);
    },
  });
}
