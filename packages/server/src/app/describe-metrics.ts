import { loadConfig } from "../config/load-config.ts";
import { declareHttpMetrics } from "../http/http-metrics.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { createSecretBox } from "../lib/secret-box.ts";
import { createMemoryBlobStore } from "../storage/blob-store/memory/memory-blob-store.ts";
import { unopenedDatabase } from "../storage/database/unopened-database.ts";
import { assembleAreas, idleProcess } from "./assemble-areas.ts";
import { assembleStores } from "./open-stores.ts";

/** A metric as a watcher sees it. */
export interface DescribedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** Everything that a server measures, by name. No database is opened; a mail server is told of, as sending has metrics of its own. */
export async function listMetrics(): Promise<readonly DescribedMetric[]> {
  const config = await loadConfig({
    ENTREPOT_PUBLIC_URL: "https://registry.example.org",
    ENTREPOT_SMTP_HOST: "mail.example.org",
    ENTREPOT_SMTP_FROM: "registry@example.org",
  });
  const stores = assembleStores(config, silentLog, {
    database: unopenedDatabase(),
    blobs: createMemoryBlobStore(systemClock),
    clock: systemClock,
    secretBox: createSecretBox([Buffer.alloc(32)]),
  });
  const { metrics } = assembleAreas(config, stores, idleProcess(silentLog));
  declareHttpMetrics(metrics, () => 0);
  return metrics
    .getMetricsAsArray()
    .map((metric) => ({
      name: metric.name,
      help: metric.help,
      type: String(metric.type),
      labels: "labelNames" in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [],
    }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
