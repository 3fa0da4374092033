import type { Digest } from "@entrepot/oci/digest";
import { createGuardedCache, type GuardedCache } from "../../lib/guarded-cache.ts";

/** A manifest as a pull needs it. The bytes are never changed after they were stored. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly body: Uint8Array;
}

/** Manifests by "repository reference" (a space cannot occur in either). */
export type ManifestCache = GuardedCache<StoredManifest>;

/** When what is kept may have changed in other processes; undefined = nothing may be kept. */
export interface ContentStamps {
  /** For what a digest names: it can only be taken away. */
  readonly digests: () => number | undefined;
  /** For what a tag names, which every push may change: the next read anywhere sees it. */
  readonly tags: () => number | undefined;
}

export function createManifestCache(maxBytes: number, stamps: ContentStamps): ManifestCache {
  const cache = createGuardedCache<StoredManifest>({
    maxBytes,
    sizeBytes: (manifest) => manifest.body.byteLength + 200,
    foreignChangeStamp: stamps.digests,
  });
  /** A colon is in every digest and in no tag and no repository's name. */
  const mayKeep = (key: string) => key.includes(":") || stamps.tags() !== undefined;
  return {
    ...cache,
    get: (key, load) => (mayKeep(key) ? cache.get(key, load) : load()),
    peek: (key) => (mayKeep(key) ? cache.peek(key) : undefined),
  };
}

export function manifestKey(repository: string, reference: string): string {
  return `${repository} ${reference}`;
}
