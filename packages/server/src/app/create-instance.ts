import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { collectDefaultMetrics, Registry as MetricsRegistry } from "prom-client";
import { declareAuditMetrics } from "../activity/audit/audit-metrics.ts";
import { createEmail, type Email } from "../activity/email/email.ts";
import type { Config } from "../config/config.ts";
import { smtpOf } from "../config/email-settings.ts";
import { redirectOf } from "../config/storage-settings.ts";
import { createHttpServer, type HttpServer } from "../http/create-http-server.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { TlsFiles } from "../http/http-deps.ts";
import { declareHttpMetrics } from "../http/http-metrics.ts";
import { openapiEndpoints } from "../http/openapi/openapi-routes.ts";
import { AppError } from "../lib/app-error.ts";
import { newUuid } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Tracing } from "../lib/tracing.ts";
import { garbageCollectionEndpoints } from "../lifecycle/garbage-collection/garbage-collection-routes.ts";
import {
  createGarbageCollector,
  type GarbageCollector,
} from "../lifecycle/garbage-collection/garbage-collector.ts";
import { strayEndpoints } from "../lifecycle/strays/stray-routes.ts";
import type { HealthDeps } from "../operations/health/check-health.ts";
import { healthEndpoints } from "../operations/health/health-routes.ts";
import { createJobs, type Jobs } from "../operations/jobs/jobs.ts";
import { declareInstanceMetrics } from "../operations/metrics/instance-metrics.ts";
import { metricsEndpoints } from "../operations/metrics/metrics-routes.ts";
import type { Regions } from "../operations/regions/regions.ts";
import { traceEndpoints, traceKinds, traceStorage } from "../operations/tracing/with-tracing.ts";
import { verificationEndpoints } from "../operations/verify/verification-routes.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import type { BlobStore, UploadId } from "../storage/blob-store/blob-store.ts";
import { declareBlobStoreMetrics } from "../storage/blob-store/blob-store-metrics.ts";
import { withMetrics } from "../storage/blob-store/with-metrics.ts";
import { withRetry } from "../storage/blob-store/with-retry.ts";
import type { FirstAdministrator } from "./announce.ts";
import { buildRegions } from "./build-regions.ts";
import {
  type HousekeepingAreas,
  housekeepingKinds,
  placesOf,
  strayGraceOf,
  verifyDepsOf,
} from "./housekeeping-kinds.ts";
import { openStores, type Stores } from "./open-stores.ts";
import { programVersion } from "./program-version.ts";

/** One running server: the whole program in one process. */
export interface Instance {
  readonly port: number;
  readonly firstAdministrator: FirstAdministrator | undefined;
  /** Drains, ends background work and closes the stores. */
  close(): Promise<void>;
  /** Reads the TLS files again. Keeps the old ones, and says so, when the new ones are no good. */
  reload(): void;
}

const manifestCacheBytes = 24_000_000;
const blobCacheBytes = 16_000_000;
const dayMs = 86_400_000;
const storageAttempts = 3;

/** Builds everything, in rank order, and listens. */
export async function createInstance(config: Config, log: Log): Promise<Instance> {
  const tls = readTls(config);
  const instanceId = newUuid();
  const tracing = await openConfiguredTracing(config, instanceId);
  const opened = await openStores(config, log, tracing);
  const metrics = new MetricsRegistry();
  collectDefaultMetrics({ register: metrics, prefix: "entrepot_" });
  const stores: Stores = { ...opened, blobs: wrapBlobs(opened.blobs, { metrics, log, tracing }) };
  const process = { log, instanceId, metrics, tracing };
  const regions = buildRegions(config, stores, process);
  const registry = buildRegistry(config, stores, regions, process);
  const email = buildEmail(config, stores, process);
  const collector = buildCollector(config, stores, { registry, regions }, process);
  const jobs = buildJobs(config, stores, { registry, email, collector, regions, log }, process);
  let isStopping = false;
  const health = buildHealth(config, stores, jobs, () => isStopping);
  const numbers = declareMetrics(config, stores, { registry, metrics });
  const areas = { stores, registry, regions, email, collector, jobs, health, metrics, log };
  const endpoints = gatherEndpoints(config, areas);
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
  log.info({ port, instanceId, engine: stores.database.engine }, "listening");
  return {
    port,
    firstAdministrator,
    async close() {
      isStopping = true;
      await wait(config.drainDelaySeconds * 1_000);
      await server.drain(config.drainSeconds * 1_000);
      await jobs.stop();
      await regions.stop();
      await email.stop();
      await stores.identity.stop();
      await stores.close();
      await tracing?.close();
    },
    reload: () => reloadTls(config, server, log),
  };
}

function buildHealth(config: Config, stores: Stores, jobs: Jobs, isDraining: () => boolean): HealthDeps {
  return {
    ...stores,
    regions: stores.regional?.regions,
    folders: [config.dataDir],
    isDraining,
    jobsLookedAtMs: jobs.lookedAtMs,
    checkSigningKeys: () => stores.identity.checkSigningKeys(),
  };
}

/** What is measured beside what each area measures of itself. */
function declareMetrics(
  config: Config,
  stores: Stores,
  parts: { readonly registry: Registry; readonly metrics: MetricsRegistry },
) {
  stores.decisions.measure(parts.metrics);
  declareAuditMetrics(parts.metrics, stores.audit);
  return declareInstanceMetrics({
    metrics: parts.metrics,
    database: stores.database,
    version: programVersion,
    maxRequestsInFlight: config.maxRequestsInFlight,
    maxConnections: config.maxConnections,
    cacheLookups: parts.registry.cacheLookups,
  });
}

interface Areas {
  readonly stores: Stores;
  readonly registry: Registry;
  readonly regions: Regions;
  readonly email: Email;
  readonly collector: GarbageCollector;
  readonly jobs: Jobs;
  readonly health: HealthDeps;
  readonly metrics: MetricsRegistry;
  readonly log: Log;
}

/** Everything that the server answers. The documents and the permission matrix are made from the same list. */
function gatherEndpoints(config: Config, areas: Areas): readonly Endpoint[] {
  const all: readonly Endpoint[] = [
    ...areas.registry.endpoints,
    ...areas.stores.identity.endpoints,
    ...areas.email.endpoints,
    ...areas.stores.audit.endpoints,
    ...areas.stores.tokenIssuers.endpoints(areas.stores.access),
    ...areas.stores.decisions.endpoints({
      access: areas.stores.access,
      setRepositoryState: areas.registry.setRepositoryState,
    }),
    ...garbageCollectionEndpoints(areas.collector, areas.jobs.wake),
    ...areas.jobs.endpoints,
    ...areas.regions.endpoints,
    ...strayEndpoints({
      ...areas.stores,
      places: placesOf(areas.stores),
      log: areas.log,
      strayGraceMs: strayGraceOf(config),
    }),
    ...verificationEndpoints({
      ...verifyDepsOf(config, areas.stores),
      access: areas.stores.access,
      wake: areas.jobs.wake,
    }),
    ...healthEndpoints(areas.health),
    ...metricsEndpoints(areas.metrics, config.metricsAccess),
    ...openapiEndpoints(() => all),
  ];
  return all;
}

/** Declares every metric of a server so configured, without opening or starting anything: for the documents. */
export function describeMetrics(config: Config, log: Log, stores: Stores): MetricsRegistry {
  const metrics = new MetricsRegistry();
  const process = { log, instanceId: newUuid(), metrics };
  collectDefaultMetrics({ register: metrics, prefix: "entrepot_" });
  declareBlobStoreMetrics(metrics);
  declareHttpMetrics(metrics, () => 0);
  const regions = buildRegions(config, stores, process);
  const registry = buildRegistry(config, stores, regions, process);
  const email = buildEmail(config, stores, process);
  const collector = buildCollector(config, stores, { registry, regions }, process);
  buildJobs(config, stores, { registry, email, collector, regions, log }, process);
  declareMetrics(config, stores, { registry, metrics });
  return metrics;
}

/** The endpoints of a server so configured, built over the stores without touching them: nothing is opened, listens or runs. */
export function buildEndpoints(config: Config, log: Log, stores: Stores): readonly Endpoint[] {
  const metrics = new MetricsRegistry();
  const instanceId = newUuid();
  const process = { log, instanceId, metrics };
  const regions = buildRegions(config, stores, process);
  const registry = buildRegistry(config, stores, regions, process);
  const email = buildEmail(config, stores, process);
  const collector = buildCollector(config, stores, { registry, regions }, process);
  const jobs = buildJobs(config, stores, { registry, email, collector, regions, log }, process);
  return gatherEndpoints(config, {
    stores,
    registry,
    regions,
    email,
    collector,
    jobs,
    metrics,
    log,
    health: buildHealth(config, stores, jobs, () => false),
  });
}

/** Measured call by call, and what may be repeated is tried again. */
function wrapBlobs(
  blobs: BlobStore,
  { metrics, log, tracing }: Pick<ProcessParts, "metrics" | "log" | "tracing">,
): BlobStore {
  const figures = declareBlobStoreMetrics(metrics);
  const told = tracing === undefined ? figures : traceStorage(figures, tracing);
  return withRetry(withMetrics(blobs, told), {
    attempts: storageAttempts,
    pause: (next) => wait(50 * 2 ** next),
    onRetry: (operation, error) => log.warn({ error, operation }, "storage failed and is tried again"),
  });
}

function buildRegistry(
  config: Config,
  stores: Stores,
  regions: Regions,
  { log, instanceId }: Pick<ProcessParts, "log" | "instanceId">,
): Registry {
  return createRegistry({
    database: stores.database,
    blobs: stores.blobs,
    regions: regions.content,
    access: stores.access,
    clock: stores.clock,
    log,
    newUploadId: () => newUuid() as UploadId, // as: a UUID has the form of an upload id
    instanceId,
    defaultNamespace: config.defaultNamespace,
    defaultVisibility: config.defaultVisibility,
    sparse: config.sparseManifests,
    isOpen: config.anonymousAccess === "full",
    gcGraceMs: config.gcGraceSeconds * 1_000,
    redirect: redirectOf(config),
    manifestCacheBytes,
    blobCacheBytes,
  });
}

interface ProcessParts {
  readonly log: Log;
  readonly instanceId: string;
  readonly metrics: MetricsRegistry;
  /** Absent = nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** Undefined, and nothing loaded, unless a collector is configured. */
async function openConfiguredTracing(config: Config, instanceId: string): Promise<Tracing | undefined> {
  const { tracingEndpoint: endpoint, tracingHeaders: headers } = config;
  if (endpoint === undefined) return undefined;
  const { openTracing } = await import("../operations/tracing/open-tracing.ts");
  const { tracingServiceName: serviceName, tracingPercent: percent } = config;
  return openTracing({ endpoint, headers, serviceName, version: programVersion, instanceId, percent });
}

function buildEmail(config: Config, stores: Stores, process: ProcessParts): Email {
  return createEmail({ ...stores, ...process, smtp: smtpOf(config), publicUrl: config.publicUrl });
}

function buildCollector(
  config: Config,
  stores: Stores,
  areas: { readonly registry: Registry; readonly regions: Regions },
  process: ProcessParts,
): GarbageCollector {
  return createGarbageCollector({
    ...process,
    database: stores.database,
    blobs: stores.blobs,
    clock: stores.clock,
    graceMs: config.gcGraceSeconds * 1_000,
    untaggedAfterMs: config.gcUntaggedAfterDays === 0 ? undefined : config.gcUntaggedAfterDays * dayMs,
    intervalMs: config.gcIntervalSeconds * 1_000,
    removeBytes: areas.regions.removeBytes,
    onRemoved: () => areas.registry.forgetCachedContent(),
    loadPercent: config.gcLoadPercent,
  });
}

function buildJobs(config: Config, stores: Stores, areas: HousekeepingAreas, process: ProcessParts): Jobs {
  const kinds = housekeepingKinds(config, stores, areas);
  return createJobs({
    ...process,
    database: stores.database,
    clock: stores.clock,
    atOnce: config.jobsAtOnce,
    keptDoneMs: config.jobRetentionDays * dayMs,
    keptFailedMs: config.failedJobRetentionDays * dayMs,
    isAlone: config.workers === 1 && stores.database.engine === "sqlite",
    kinds: process.tracing === undefined ? kinds : traceKinds(kinds, process.tracing),
  });
}

function readTls(config: Config): TlsFiles | undefined {
  const { tlsCertificate, tlsKey } = config;
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined;
  try {
    return { certificate: readFileSync(tlsCertificate), key: readFileSync(tlsKey) };
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", `the TLS files cannot be read: ${String(cause)}`, { cause });
  }
}

function reloadTls(config: Config, server: HttpServer, log: Log): void {
  try {
    const files = readTls(config);
    if (files === undefined) return;
    server.replaceTls(files);
    log.info({}, "TLS certificate read again");
  } catch (error) {
    log.error({ error }, "the new TLS certificate cannot be used; the old one stays");
  }
}
