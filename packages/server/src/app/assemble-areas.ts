import { setTimeout as wait } from "node:timers/promises";
import { collectDefaultMetrics, Registry as MetricsRegistry } from "prom-client";
import { declareAuditMetrics } from "../activity/audit/audit-metrics.ts";
import { createEmail, type Email } from "../activity/email/email.ts";
import type { Config } from "../config/config.ts";
import { smtpOf } from "../config/email-settings.ts";
import { redirectOf } from "../config/storage-settings.ts";
import { newUuid } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Tracing } from "../lib/tracing.ts";
import {
  createGarbageCollector,
  type GarbageCollector,
} from "../lifecycle/garbage-collection/garbage-collector.ts";
import type { HealthDeps } from "../operations/health/check-health.ts";
import { createHealthLog } from "../operations/health/log-health.ts";
import { createJobs, type Jobs } from "../operations/jobs/jobs.ts";
import { declareInstanceMetrics, type InstanceMetrics } from "../operations/metrics/instance-metrics.ts";
import type { Regions } from "../operations/regions/regions.ts";
import { traceKinds, traceStorage } from "../operations/tracing/with-tracing.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import type { BlobStore, UploadId } from "../storage/blob-store/blob-store.ts";
import { declareBlobStoreMetrics } from "../storage/blob-store/blob-store-metrics.ts";
import { withMetrics } from "../storage/blob-store/with-metrics.ts";
import { withRetry } from "../storage/blob-store/with-retry.ts";
import { buildRegions } from "./build-regions.ts";
import { type HousekeepingAreas, housekeepingKinds } from "./housekeeping-kinds.ts";
import type { Stores } from "./open-stores.ts";
import { programVersion } from "./program-version.ts";

/** What the areas of one process share beside the stores. */
export interface ProcessParts {
  readonly log: Log;
  readonly instanceId: string;
  readonly metrics: MetricsRegistry;
  /** Absent = nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Whether the process has begun to end. */
  readonly isDraining: () => boolean;
}

/** Of a process that never runs: documents are made from its areas, and tests look at them. */
export function idleProcess(log: Log): ProcessParts {
  return { log, instanceId: newUuid(), metrics: new MetricsRegistry(), isDraining: () => false };
}

/** The areas above identity, built over the stores in rank order. */
export interface Areas {
  /** With blobs that are measured and tried again. */
  readonly stores: Stores;
  readonly registry: Registry;
  readonly regions: Regions;
  readonly email: Email;
  readonly collector: GarbageCollector;
  readonly jobs: Jobs;
  readonly health: HealthDeps;
  readonly numbers: InstanceMetrics;
  readonly metrics: MetricsRegistry;
  readonly log: Log;
}

const manifestCacheBytes = 24_000_000;
const blobCacheBytes = 16_000_000;
const dayMs = 86_400_000;
const storageAttempts = 3;

/** Builds them and declares what they measure. Nothing is opened, listens or runs yet, and no store is touched: documents are made so, too. */
export function assembleAreas(config: Config, opened: Stores, process: ProcessParts): Areas {
  const { log, metrics } = process;
  collectDefaultMetrics({ register: metrics, prefix: "entrepot_" });
  const stores: Stores = { ...opened, blobs: wrapBlobs(opened.blobs, process) };
  const regions = buildRegions(config, stores, process);
  const registry = buildRegistry(config, stores, regions, process);
  const email = createEmail({ ...stores, ...process, smtp: smtpOf(config), publicUrl: config.publicUrl });
  const collector = buildCollector(config, stores, { registry, regions }, process);
  const jobs = buildJobs(config, stores, { registry, email, collector, regions, log }, process);
  const health: HealthDeps = {
    ...stores,
    regions: stores.regional?.regions,
    folders: [config.dataDir],
    isDraining: process.isDraining,
    jobsLookedAtMs: jobs.lookedAtMs,
    checkSigningKeys: () => stores.identity.checkSigningKeys(),
    onLooked: createHealthLog(log, stores.clock),
  };
  const numbers = declareMetrics(config, stores, { registry, metrics });
  return { stores, registry, regions, email, collector, jobs, health, numbers, metrics, log };
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

/** What is measured beside what each area measures of itself. */
function declareMetrics(
  config: Config,
  stores: Stores,
  parts: { readonly registry: Registry; readonly metrics: MetricsRegistry },
): InstanceMetrics {
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
