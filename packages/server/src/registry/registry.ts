import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Access } from "../access/access.ts";
import type { RepositoryState, Visibility } from "../access/actions.ts";
import type { Call, Endpoint } from "../http/endpoint.ts";
import type { Clock } from "../lib/clock.ts";
import type { CacheLookups } from "../lib/guarded-cache.ts";
import type { Log } from "../lib/log.ts";
import type { BlobStore, UploadId } from "../storage/blob-store/blob-store.ts";
import type { Database } from "../storage/database/database.ts";
import { createBlobCache } from "./blobs/blob-cache.ts";
import { blobEndpoints } from "./blobs/blob-routes.ts";
import type { RedirectPolicy } from "./blobs/redirect-blob.ts";
import type { ContentRegions } from "./content-regions.ts";
import { createManifestCache } from "./manifests/manifest-cache.ts";
import { manifestEndpoints } from "./manifests/manifest-routes.ts";
import { referrerEndpoints } from "./referrers/referrer-routes.ts";
import type { RegistryDeps, SparsePolicy } from "./registry-deps.ts";
import { renameEndpoints } from "./renames/rename-routes.ts";
import { catalogEndpoints } from "./repositories/catalog-routes.ts";
import { changeRepository } from "./repositories/change-repository.ts";
import { repositoryEndpoints } from "./repositories/repository-routes.ts";
import { tagEndpoints } from "./tags/tag-routes.ts";
import { expireUploads } from "./uploads/cancel-upload.ts";
import { uploadEndpoints } from "./uploads/upload-routes.ts";
import { createUploadSessions } from "./uploads/upload-sessions.ts";
import { releaseClaimsOf } from "./uploads/upload-store.ts";

export interface RegistryOptions {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Absent = content lies in one place. */
  readonly regions?: ContentRegions | undefined;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
  readonly newUploadId: () => UploadId;
  readonly instanceId: string;
  readonly defaultNamespace: string;
  readonly defaultVisibility: Visibility;
  readonly sparse: SparsePolicy;
  readonly isOpen: boolean;
  readonly gcGraceMs: number;
  readonly redirect: RedirectPolicy | undefined;
  readonly manifestCacheBytes: number;
  readonly blobCacheBytes: number;
}

/** The registry area as the composition root and the areas above see it. */
export interface Registry {
  readonly endpoints: readonly Endpoint[];
  /** Sets the state of a repository; `NAME_UNKNOWN` when there is none. The caller has decided that the actor may. */
  readonly setRepositoryState: (
    call: Call,
    repository: RepositoryName,
    state: RepositoryState,
  ) => Promise<void>;
  /** Drops up to `limit` uploads that nobody has touched for `expiryMs`; tells how many. */
  expireUploads(expiry: { readonly expiryMs: number; readonly limit: number }): Promise<number>;
  /** Voids claims of processes before this one; only where no other process shares the database. */
  releaseStaleClaims(): Promise<void>;
  /** Called after content was removed by somebody else than the registry's own use cases. */
  forgetCachedContent(): void;
  /** How often manifests and links of blobs were asked for, and were in memory. */
  readonly cacheLookups: () => Readonly<Record<"manifest" | "blob", CacheLookups>>;
}

export function createRegistry(options: RegistryOptions): Registry {
  const { database } = options;
  const tags = () => database.foreignChangeStamp();
  const digests = database.engine === "sqlite" ? tags : () => database.noticeStamp("removal");
  const deps: RegistryDeps = {
    ...options,
    manifestCache: createManifestCache(options.manifestCacheBytes, { digests, tags }),
    blobCache: createBlobCache(options.blobCacheBytes, digests),
    sessions: createUploadSessions(),
  };
  return {
    endpoints: [
      ...catalogEndpoints(deps),
      ...uploadEndpoints(deps),
      ...blobEndpoints(deps),
      ...manifestEndpoints(deps),
      ...tagEndpoints(deps),
      ...referrerEndpoints(deps),
      ...repositoryEndpoints(deps),
      ...renameEndpoints(deps),
    ],
    async setRepositoryState(call, repository, state) {
      await changeRepository(deps, call, repository, { state });
    },
    expireUploads: (expiry) => expireUploads(deps, expiry),
    releaseStaleClaims: () =>
      deps.database.transaction((tx) => releaseClaimsOf(tx, { notClaimedBy: deps.instanceId })),
    cacheLookups: () => ({
      manifest: deps.manifestCache.lookups(),
      blob: deps.blobCache.links.lookups(),
    }),
    forgetCachedContent: () => {
      deps.manifestCache.clear();
      deps.blobCache.links.clear();
    },
  };
}
