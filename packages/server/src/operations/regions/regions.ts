import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Registry as MetricsRegistry } from "prom-client";
import { namespaceOf } from "../../access/create-access.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import { type AuditSource, byPartOfRegistry } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Log } from "../../lib/log.ts";
import type { RemoveBytes } from "../../lifecycle/garbage-collection/collect-garbage.ts";
import type { ContentRegions } from "../../registry/content-regions.ts";
import { regionOfLocation, uploadIdIn } from "../../storage/blob-store/regions/region-name.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import { findFact, putFact } from "../../storage/database/fact-store.ts";
import { placeNewBlob, wantCopies } from "./blob-placement-store.ts";
import type { ManageRegionsDeps } from "./manage-regions.ts";
import { allowedRegions, everywhere, type KnownRegions, wantedRegions } from "./namespace-placement.ts";
import { findPlacement, findPlacementOf } from "./placement-store.ts";
import { reconcilePlacements } from "./reconcile-placements.ts";
import { oweDeletions } from "./region-deletion-store.ts";
import { declareRegionMetrics } from "./region-metrics.ts";
import { regionEndpoints } from "./region-routes.ts";
import { createRegionWorker } from "./region-worker.ts";
import { findRetiring } from "./retiring-store.ts";

export interface RegionsDeps {
  readonly database: Database;
  readonly clock: Clock;
  /** Of placements of namespaces. */
  readonly cache: VersionedCache;
  readonly log: Log;
  readonly metrics: MetricsRegistry;
  readonly instanceId: string;
  /** Undefined = there is one storage. */
  readonly regional: RegionalBlobStore | undefined;
  /** Regions to which content is copied unless its namespace says otherwise. */
  readonly byDefault: ReadonlySet<string>;
  readonly copiesAtOnce: number;
  /** How long a copy must have been there before others are removed on its account. */
  readonly settleMs: number;
  readonly defaultNamespace: string;
}

/** Storage regions as the composition root sees them. With one storage it only answers that there are none. */
export interface Regions {
  readonly endpoints: readonly Endpoint[];
  readonly kinds: readonly JobKind[];
  /** For the registry; undefined = it need not ask. */
  readonly content: ContentRegions | undefined;
  /** For the collector; undefined = bytes lie in one place. */
  readonly removeBytes: RemoveBytes | undefined;
  /** Begins to copy, after the jobs have begun. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const kindName = "regions.reconcile";
const hourMs = 3_600_000;
/** No transaction takes so long. */
const againMs = 30_000;
const knownFact = "storage-regions";
const bySettings = byPartOfRegistry("storage-regions");

export function createRegions(deps: RegionsDeps): Regions {
  const { database, clock, cache, regional } = deps;
  const known: KnownRegions = {
    names: regional?.regions.map(({ name }) => name) ?? [],
    byDefault: deps.byDefault,
  };
  const metrics = declareRegionMetrics(deps);
  const kind = reconcileKind(deps, known);
  const compareAfter = async (source: AuditSource) => {
    const nowMs = clock.nowMs();
    const now = await draftJob(kind, undefined, { uniqueKey: "asked for", priority: 1 });
    // What a transaction links that began before the change is seen by the second look only.
    const runAtMs = (Math.floor(nowMs / againMs) + 2) * againMs;
    const again = await draftJob(kind, undefined, { uniqueKey: `again at ${runAtMs}`, priority: 1, runAtMs });
    return async (tx: Tx) => {
      await enqueueJob(tx, now, source, nowMs);
      await enqueueJob(tx, again, source, nowMs);
    };
  };
  const reconcileSoon = async (source: AuditSource) => {
    const enqueue = await compareAfter(source);
    await database.transaction(enqueue);
  };
  const manage: ManageRegionsDeps = { database, clock, cache, regional, known, reconcileSoon };
  const endpoints = regionEndpoints(manage);
  if (regional === undefined) {
    const rest = async () => {};
    return { endpoints, kinds: [], content: undefined, removeBytes: undefined, start: rest, stop: rest };
  }
  const worker = createRegionWorker({
    ...deps,
    regional,
    onCopied: metrics.copied,
    onFailed: metrics.failed,
  });
  return {
    endpoints,
    kinds: [kind],
    content: {
      newUploadId: (repository) => chooseRegion({ ...deps, regional, known }, repository),
      noteLink: (tx, link) => noteLink(tx, known, link),
      compareAfter,
    },
    async removeBytes({ location, sizeBytes }) {
      const left = await regional.deleteWhereReachable(location);
      if (left.length === 0) return undefined;
      return (tx) => oweDeletions(tx, left, { location, sizeBytes }, clock.nowMs());
    },
    async start() {
      // Another set of regions than before: all blobs are looked at, so that a new one is filled.
      const names = JSON.stringify(known.names.toSorted());
      if ((await findFact(database.read, knownFact)) !== names) {
        await reconcileSoon(bySettings);
        await database.transaction((tx) => putFact(tx, knownFact, names));
      }
      worker.start();
    },
    stop: worker.stop,
  };
}

function reconcileKind({ database, clock }: RegionsDeps, regions: KnownRegions): JobKind {
  return jobKind<undefined>({
    kind: kindName,
    summary: "Compares where every blob lies with where it should, and asks for copies and removals.",
    maxAttempts: 5,
    timeoutMs: 6 * hourMs,
    concurrency: 1,
    schedule: { everyMs: hourMs },
    async run({ slotMs }, signal, progress) {
      const known = { ...regions, retiring: await findRetiring(database.read) };
      const compared = { database, clock, known, seeksUnknown: slotMs === undefined };
      return { ...(await reconcilePlacements(compared, signal, progress)) };
    },
  });
}

/** The first region where the content may lie, and that is not known to be away; an upload is worth nothing where nobody answers. */
async function chooseRegion(
  deps: Pick<RegionsDeps, "database" | "cache" | "defaultNamespace"> & {
    readonly regional: RegionalBlobStore;
    readonly known: KnownRegions;
  },
  repository: RepositoryName,
) {
  const namespace = namespaceOf(repository, deps.defaultNamespace);
  const { placement, retiring } = await deps.cache.get(namespace, async () => {
    const found = await findPlacement(deps.database.read, namespace);
    const retiring = await findRetiring(deps.database.read);
    return { placement: found?.placement ?? everywhere, retiring };
  });
  const allowed = allowedRegions({ ...deps.known, retiring }, placement);
  const isDoubtful = (name: string) =>
    deps.regional.regions.find((region) => region.name === name)?.watch.isDoubtful() === true;
  const chosen = allowed.find((name) => !isDoubtful(name)) ?? allowed[0];
  if (chosen === undefined) {
    throw new AppError(
      "UNAVAILABLE",
      `no storage region in which the content of ${namespace} may lie is configured here`,
    );
  }
  return uploadIdIn(chosen, newUuid());
}

async function noteLink(
  tx: Tx,
  known: KnownRegions,
  link: Parameters<ContentRegions["noteLink"]>[1],
): Promise<void> {
  const { blobId, storedAt, nowMs } = link;
  const { placement, retiring } = await findPlacementOf(tx, link.repositoryId);
  const now = { ...known, retiring };
  const copies = wantedRegions(now, placement);
  const home = storedAt === undefined ? undefined : regionOfLocation(storedAt);
  if (home === undefined) await wantCopies(tx, blobId, copies, nowMs);
  else {
    const mayStay = !known.names.includes(home) || allowedRegions(now, placement).includes(home);
    const wanted = copies.length > 0 || mayStay ? copies : allowedRegions(now, placement).slice(0, 1);
    await placeNewBlob(tx, { blobId, home, mayStay, copies: wanted }, nowMs);
  }
}
