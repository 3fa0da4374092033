import { Counter, Histogram, type Registry as MetricsRegistry } from "prom-client";
import type { BlobStoreMetrics } from "./with-metrics.ts";

/** Figures of the blob store for Prometheus. */
export function declareBlobStoreMetrics(registry: MetricsRegistry): BlobStoreMetrics {
  const duration = new Histogram({
    name: "entrepot_blob_store_duration_seconds",
    help: "How long calls to the blob store take, by operation and outcome.",
    labelNames: ["operation", "outcome"] as const,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  const written = new Counter({
    name: "entrepot_blob_store_written_bytes_total",
    help: "Bytes that uploads have written to the blob store.",
    registers: [registry],
  });
  return {
    observe: (operation, seconds, outcome) => duration.observe({ operation, outcome }, seconds),
    wrote: (bytes) => written.inc(bytes),
  };
}
