import type { Digest } from "@entrepot/oci/digest";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { regionOfLocation } from "../../storage/blob-store/regions/region-name.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { Database } from "../../storage/database/database.ts";
import { findPlacementsOf, type PlacementOfBlob } from "./blob-placement-store.ts";
import { countRegions, nothingOpen, type RegionCounts } from "./count-regions.ts";
import {
  checkPlacement,
  everywhere,
  type KnownRegions,
  type NamespacePlacement,
} from "./namespace-placement.ts";
import { deletePlacement, findPlacement, putPlacement } from "./placement-store.ts";
import { countUploadsIn } from "./region-status-store.ts";
import { findRetiring } from "./retiring-store.ts";

export interface ManageRegionsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly cache: VersionedCache;
  /** Undefined = there is one storage, not several regions. */
  readonly regional: RegionalBlobStore | undefined;
  readonly known: KnownRegions;
  /** Queues a look at all blobs. */
  readonly reconcileSoon: (source: AuditSource) => Promise<void>;
}

export interface RegionStatus extends RegionCounts {
  readonly name: string;
  /** This instance's own. */
  readonly isOwn: boolean;
  readonly isConfigured: boolean;
  readonly isCopiedToByDefault: boolean;
  /** Nothing new goes there, and what lies there moves to the others. */
  readonly isRetiring: boolean;
  /** Which go on there. */
  readonly uploads: number;
  /** As of when `placed` and `onlyHere` were counted; 0 = not yet. */
  readonly countedAtMs: number;
  /** As this instance sees it; undefined = it answers. */
  readonly trouble: { readonly sinceMs: number; readonly error: string } | undefined;
}

/** Every region that is configured here or that some row knows. */
export async function describeRegions(deps: ManageRegionsDeps): Promise<readonly RegionStatus[]> {
  const { read } = deps.database;
  const { regions, countedAtMs } = await countRegions(read, deps.known.names, deps.clock.nowMs());
  const retiring = await findRetiring(read);
  const names = [...new Set([...regions.keys(), ...retiring])].toSorted();
  const uploads = new Map<string, number>();
  for (const name of names) uploads.set(name, await countUploadsIn(read, name));
  return names.map((name) => ({
    name,
    isRetiring: retiring.has(name),
    uploads: uploads.get(name) ?? 0,
    countedAtMs,
    isOwn: deps.known.names[0] === name,
    isConfigured: deps.known.names.includes(name),
    isCopiedToByDefault: deps.known.byDefault.has(name),
    trouble: deps.regional?.regions.find((region) => region.name === name)?.watch.trouble(),
    ...(regions.get(name) ?? { ...nothingOpen, placed: { blobs: 0, bytes: 0 }, onlyHere: 0 }),
  }));
}

/** Where one blob lies, and where it is to be copied; `NOT_FOUND` when there is none of that digest. */
export async function describeBlob(
  deps: ManageRegionsDeps,
  digest: Digest,
): Promise<{
  readonly sizeBytes: number;
  readonly home: string | undefined;
  readonly placements: readonly PlacementOfBlob[];
}> {
  const found = await findPlacementsOf(deps.database.read, digest);
  if (found === undefined) throw new AppError("NOT_FOUND", `there is no blob ${digest}`);
  const { location, ...rest } = found;
  return { ...rest, home: regionOfLocation(location) };
}

/** Of a namespace; `NOT_FOUND` when there is no such namespace. */
export async function getPlacement(deps: ManageRegionsDeps, namespace: string): Promise<NamespacePlacement> {
  const found = await findPlacement(deps.database.read, namespace);
  if (found === undefined) throw new AppError("NOT_FOUND", `there is no namespace ${namespace}`);
  return found.placement;
}

/**
 * Says where the content of a namespace may and must lie, from then on; undefined in both = as everywhere. New uploads obey within a second on every instance; what lies
 * elsewhere is copied and removed in the background, never before it lies where it may. Errors as `checkPlacement`, `NOT_FOUND`.
 */
export async function setPlacement(
  deps: ManageRegionsDeps,
  source: AuditSource,
  namespace: string,
  placement: NamespacePlacement,
): Promise<NamespacePlacement> {
  if (deps.regional === undefined) {
    throw new AppError("REQUEST_INVALID", "there is one storage here, not several regions to choose from");
  }
  const isEverywhere = placement.allowed === undefined && placement.copies === undefined;
  await deps.database.transaction(async (tx) => {
    // First, so that of a placement and a retirement at once the second sees the first.
    await bumpAccessVersion(tx);
    checkPlacement({ ...deps.known, retiring: await findRetiring(tx) }, placement);
    const found = await findPlacement(tx, namespace);
    if (found === undefined) throw new AppError("NOT_FOUND", `there is no namespace ${namespace}`);
    if (isEverywhere) await deletePlacement(tx, found.namespaceId);
    else await putPlacement(tx, found.namespaceId, placement);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "namespace.place",
      target: `namespace ${namespace}`,
      namespace,
      before: shapePlacement(found.placement),
      after: shapePlacement(isEverywhere ? everywhere : placement),
    });
  });
  deps.cache.changed();
  await deps.reconcileSoon(source);
  return placement;
}

export function shapePlacement({ allowed, copies }: NamespacePlacement) {
  return { allowed: allowed ?? null, copies: copies ?? null };
}
