import type { Digest } from "@entrepot/oci/digest";
import { LRUCache } from "lru-cache";
import { createGuardedCache, type GuardedCache } from "../../lib/guarded-cache.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";

/** Where a blob lies that is linked in a repository. */
export interface LinkedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly location: BlobLocation;
  /** Since when no manifest of the repository names it; undefined = named. */
  readonly unreferencedSinceMs: number | undefined;
  readonly repositoryId: number;
}

export interface BlobCache {
  /** Links by "repository digest". */
  readonly links: GuardedCache<LinkedBlob>;
  /** Whole bytes of small blobs by location: a location's bytes never change, so these need no guard. */
  readonly bytes: LRUCache<BlobLocation, Uint8Array>;
}

/** Blobs up to this size are served from memory once read (performance: four thread-pool hops cost more than the bytes). */
export const smallBlobBytes = 65_536;

export function createBlobCache(maxBytes: number, foreignChangeStamp: () => number | undefined): BlobCache {
  return {
    links: createGuardedCache({
      maxBytes: Math.floor(maxBytes / 4),
      sizeBytes: () => 300,
      foreignChangeStamp,
    }),
    bytes: new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (bytes) => bytes.byteLength + 200,
    }),
  };
}

export function blobKey(repository: string, digest: string): string {
  return `${repository} ${digest}`;
}
