import type { Access } from "../access/access.ts";
import type { Visibility } from "../access/actions.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { BlobStore, UploadId } from "../storage/blob-store/blob-store.ts";
import type { Database } from "../storage/database/database.ts";
import type { BlobCache } from "./blobs/blob-cache.ts";
import type { RedirectPolicy } from "./blobs/redirect-blob.ts";
import type { ContentRegions } from "./content-regions.ts";
import type { ManifestCache } from "./manifests/manifest-cache.ts";
import type { UploadSessions } from "./uploads/upload-sessions.ts";

/** Whether a manifest may name content that is not in its repository. Subjects may always be absent (distribution-spec). */
export const sparsePolicies = ["none", "indexes", "all"] as const;
export type SparsePolicy = (typeof sparsePolicies)[number];

/** What the use cases of the registry area work with. Each takes it first, then the call. */
export interface RegistryDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Absent = content lies in one place. */
  readonly regions?: ContentRegions | undefined;
  readonly access: Access;
  readonly clock: Clock;
  /** Tells when claims on uploads end, for tests that move it. Absent = the database's clock, the same for every instance. */
  readonly claimClock?: Clock | undefined;
  readonly log: Log;
  readonly newUploadId: () => UploadId;
  /** Names this process among those that share the database, for claims on uploads. */
  readonly instanceId: string;
  readonly manifestCache: ManifestCache;
  readonly blobCache: BlobCache;
  readonly sessions: UploadSessions;
  readonly defaultNamespace: string;
  readonly defaultVisibility: Visibility;
  readonly sparse: SparsePolicy;
  /** Anybody may do anything without signing in (`anonymousAccess: full`). */
  readonly isOpen: boolean;
  /** How long unreferenced content is safe from the collector; a HEAD of content past half of it starts it anew. */
  readonly gcGraceMs: number;
  /** Which pulls of blobs are sent to the object store; undefined = none. */
  readonly redirect: RedirectPolicy | undefined;
}
