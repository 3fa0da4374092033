import type { Registry as MetricsRegistry } from "prom-client";
import { createVersionedCache } from "../access/versioned-cache.ts";
import type { Config } from "../config/config.ts";
import type { Log } from "../lib/log.ts";
import { createRegions, type Regions } from "../operations/regions/regions.ts";
import type { Stores } from "./open-stores.ts";

const cachedNamespaces = 10_000;

/** Storage regions of a server so configured; with one storage, what says that there are none. Touches nothing yet. */
export function buildRegions(
  config: Config,
  stores: Stores,
  process: { readonly log: Log; readonly instanceId: string; readonly metrics: MetricsRegistry },
): Regions {
  const byDefault = config.storageRegions.filter(({ isCopiedToByDefault }) => isCopiedToByDefault);
  return createRegions({
    ...process,
    database: stores.database,
    clock: stores.clock,
    cache: createVersionedCache(stores.database, stores.clock, { maxEntries: cachedNamespaces }),
    regional: stores.regional,
    byDefault: new Set(byDefault.map(({ name }) => name)),
    copiesAtOnce: config.storageCopiesAtOnce,
    settleMs: config.storageSettleSeconds * 1_000,
    defaultNamespace: config.defaultNamespace,
  });
}
