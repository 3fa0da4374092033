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

export function createManifestCache(
  maxBytes: number,
  foreignChangeStamp: () => number | undefined,
): ManifestCache {
  return createGuardedCache({
    maxBytes,
    sizeBytes: (manifest) => manifest.body.byteLength + 200,
    foreignChangeStamp,
  });
}

export function manifestKey(repository: string, reference: string): string {
  return `${repository} ${reference}`;
}
