import { loadConfig } from "../config/load-config.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { createSecretBox } from "../lib/secret-box.ts";
import { createMemoryBlobStore } from "../storage/blob-store/memory/memory-blob-store.ts";
import { unopenedDatabase } from "../storage/database/unopened-database.ts";
import { assembleAreas, idleProcess } from "./assemble-areas.ts";
import { gatherEndpoints } from "./gather-endpoints.ts";
import { assembleStores } from "./open-stores.ts";

/**
 * Every endpoint of a server with the default settings, to be looked at: documents are made of it. No database is opened, and no handler works.
 */
export async function describeEndpoints(): Promise<readonly Endpoint[]> {
  const config = await loadConfig({});
  const stores = assembleStores(config, silentLog, {
    database: unopenedDatabase(),
    blobs: createMemoryBlobStore(systemClock),
    clock: systemClock,
    secretBox: createSecretBox([Buffer.alloc(32)]),
  });
  return gatherEndpoints(config, assembleAreas(config, stores, idleProcess(silentLog)));
}
