import type { TestContext } from "node:test";
import { loadConfig } from "../../config/load-config.ts";
import { startTestServer } from "../../http/testing/test-server.ts";
import { createMovableClock, type MovableClock } from "../../identity/testing/movable-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import { createMemoryBlobStore } from "../../storage/blob-store/memory/memory-blob-store.ts";
import type { Database } from "../../storage/database/database.ts";
import { assembleAreas, idleProcess } from "../assemble-areas.ts";
import { gatherEndpoints } from "../gather-endpoints.ts";
import { assembleStores, type Stores } from "../open-stores.ts";

/** Everything that a server answers, on a port of its own, with blobs in memory and a clock that a test moves; nothing runs in the background. */
export interface TestApp {
  readonly origin: string;
  readonly clock: MovableClock;
  readonly stores: Stores;
}

export async function startApp(t: TestContext, database: Database): Promise<TestApp> {
  const clock = createMovableClock();
  const config = await loadConfig({});
  const stores = assembleStores(config, silentLog, {
    database,
    blobs: createMemoryBlobStore(clock),
    clock,
    secretBox: createSecretBox([Buffer.alloc(32, 1)]),
  });
  const endpoints = gatherEndpoints(config, assembleAreas(config, stores, idleProcess(silentLog)));
  const { port } = await startTestServer(t, endpoints, {
    access: stores.access,
    authenticate: stores.identity.authenticate,
    tokenService: config.tokenService,
    clock,
  });
  return { origin: `http://127.0.0.1:${port}`, clock, stores };
}
