import { setTimeout as wait } from "node:timers/promises";
import { Registry as MetricsRegistry } from "prom-client";
import type { Config } from "../config/config.ts";
import { createHttpServer, type HttpServer } from "../http/create-http-server.ts";
import { newUuid } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Tracing } from "../lib/tracing.ts";
import { traceEndpoints } from "../operations/tracing/with-tracing.ts";
import type { FirstAdministrator } from "./announce.ts";
import { assembleAreas } from "./assemble-areas.ts";
import { checkOpenFiles } from "./check-open-files.ts";
import { gatherEndpoints } from "./gather-endpoints.ts";
import { refuseChangesOnceMoved, watchForMove } from "./moved-database.ts";
import { openStores } from "./open-stores.ts";
import { programVersion } from "./program-version.ts";
import { readTls, reloadTls } from "./tls-files.ts";

/** One running server: the whole program in one process. */
export interface Instance {
  readonly port: number;
  readonly firstAdministrator: FirstAdministrator | undefined;
  /** Drains, ends background work and closes the stores. */
  close(): Promise<void>;
  /** Reads the TLS files again. Keeps the old ones, and says so, when the new ones are no good. */
  reload(): void;
}

/** Builds everything, in rank order, and listens. */
export async function createInstance(config: Config, log: Log): Promise<Instance> {
  const tls = readTls(config);
  const instanceId = newUuid();
  const tracing = await openConfiguredTracing(config, instanceId);
  const metrics = new MetricsRegistry();
  let isStopping = false;
  const process = { log, instanceId, metrics, tracing, isDraining: () => isStopping };
  const areas = assembleAreas(
    config,
    await openStores(config, log, { tracing, waitsForMove: true }),
    process,
  );
  const { stores, registry, regions, email, jobs, numbers } = areas;
  const endpoints = refuseChangesOnceMoved(gatherEndpoints(config, areas), stores.database);
  const server: HttpServer = await createHttpServer({
    endpoints: tracing === undefined ? endpoints : traceEndpoints(endpoints, tracing),
    authenticate: stores.identity.authenticate,
    signInRules: stores.identity.signInRules,
    access: stores.access,
    tokenService: config.tokenService,
    admit: stores.identity.admit,
    onServed(served) {
      numbers.served(served);
      stores.identity.recordUsage(served);
    },
    slowRequestMs: config.slowRequestMs,
    realmOf: (repository) => stores.tokenIssuers.realmOf(repository),
    publicUrl: config.publicUrl,
    trustProxy: config.trustProxy,
    limits: {
      maxConnections: config.maxConnections,
      maxRequestsInFlight: config.maxRequestsInFlight,
      requestTimeoutMs: config.requestTimeoutSeconds * 1_000,
      idleTimeoutMs: config.idleTimeoutSeconds * 1_000,
    },
    rateLimits: {
      perAddress: config.requestsPerMinutePerAddress,
      perAccount: config.requestsPerMinutePerAccount,
      perCredential: config.requestsPerMinutePerCredential,
    },
    tls,
    sendfile: config.sendfile,
    log,
    metrics,
    clock: stores.clock,
    newRequestId: newUuid,
    onAnswered: stores.audit.onAnswered,
  });
  const firstAdministrator = await stores.ensureFirstAdministrator();
  // With one process on SQLite nobody else can hold an upload: what the process before held is free.
  if (config.workers === 1 && stores.database.engine === "sqlite") await registry.releaseStaleClaims();
  const port = await server.listen(config.port, config.host);
  await jobs.start();
  await regions.start();
  email.start();
  stores.audit.start();
  stores.identity.start();
  let stopping: Promise<void> | undefined;
  async function stopWork(): Promise<void> {
    await jobs.stop();
    await regions.stop();
    await email.stop();
    await stores.identity.stop();
  }
  /** Once, for whichever reason. */
  const stopBackgroundWork = (): Promise<void> => {
    stopping ??= stopWork();
    return stopping;
  };
  // What works in the background would go by what was true before the move, and remove what others keep.
  const stopWatching = watchForMove(stores.database, log, stopBackgroundWork);
  void checkOpenFiles(config).catch((error: Error) => log.warn({}, error.message));
  log.info({ port, instanceId, engine: stores.database.engine }, "listening");
  return {
    port,
    firstAdministrator,
    async close() {
      isStopping = true;
      await wait(config.drainDelaySeconds * 1_000);
      await server.drain(config.drainSeconds * 1_000);
      stopWatching();
      await stopBackgroundWork();
      await stores.close();
      await tracing?.close();
    },
    reload: () => reloadTls(config, server, log),
  };
}

/** Undefined, and nothing loaded, unless a collector is configured. */
async function openConfiguredTracing(config: Config, instanceId: string): Promise<Tracing | undefined> {
  const { tracingEndpoint: endpoint, tracingHeaders: headers } = config;
  if (endpoint === undefined) return undefined;
  const { openTracing } = await import("../operations/tracing/open-tracing.ts");
  const { tracingServiceName: serviceName, tracingPercent: percent } = config;
  return openTracing({ endpoint, headers, serviceName, version: programVersion, instanceId, percent });
}
