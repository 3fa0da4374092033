import type { Descriptor } from "@entrepot/oci/descriptor";
import type { Digest } from "@entrepot/oci/digest";
import type { ParsedManifest } from "@entrepot/oci/manifest";
import { isNondistributableMediaType } from "@entrepot/oci/media-types";
import { AppError } from "../../lib/app-error.ts";
import type { SparsePolicy } from "../registry-deps.ts";
import type { ManifestReference } from "./manifest-store.ts";

/** What a manifest names, each digest and kind once. The subject is no part of it: it may be absent and is held the other way round. */
export function referencesOf(parsed: ParsedManifest): readonly ManifestReference[] {
  const blobs = new Set(
    [...(parsed.config === undefined ? [] : [parsed.config]), ...parsed.layers].map(digestOf),
  );
  const children = new Set(parsed.manifests.map(digestOf));
  return [
    ...[...blobs].map((digest) => ({ digest, kind: "blob" as const })),
    ...[...children].map((digest) => ({ digest, kind: "child" as const })),
  ];
}

/** What of a manifest's names must be looked for. Layers that are never pushed (nondistributable, foreign) need not. */
export function neededBy(parsed: ParsedManifest): readonly Digest[] {
  return [...new Set([...pushedBlobs(parsed), ...parsed.manifests].map(digestOf))];
}

/** Those of a manifest's names that are in its repository, as blobs and as manifests. */
export interface Present {
  readonly blobs: ReadonlySet<string>;
  readonly manifests: ReadonlySet<string>;
}

/**
 * Sees to it that what the manifest needs (`neededBy`) is in the repository. Entries of an index may be manifests or, as build caches have it,
 * blobs. Throws `MANIFEST_BLOB_UNKNOWN` naming what is missing, unless the policy lets it be absent: then it tells so in sentences for
 * `Warning` headers.
 */
export function checkReferences(
  parsed: ParsedManifest,
  present: Present,
  sparse: SparsePolicy,
): readonly string[] {
  const missingBlobs = missing(pushedBlobs(parsed), (digest) => present.blobs.has(digest));
  const missingChildren = missing(
    parsed.manifests,
    (digest) => present.manifests.has(digest) || present.blobs.has(digest),
  );
  if (missingBlobs.length > 0 && sparse !== "all") throw unknown("blob", missingBlobs);
  if (missingChildren.length > 0 && sparse === "none") throw unknown("manifest", missingChildren);
  return [
    ...(missingBlobs.length > 0 ? [absent("blobs", missingBlobs)] : []),
    ...(missingChildren.length > 0 ? [absent("manifests", missingChildren)] : []),
  ];
}

function pushedBlobs(parsed: ParsedManifest): readonly Descriptor[] {
  return [...(parsed.config === undefined ? [] : [parsed.config]), ...parsed.layers].filter(
    (descriptor) => !isNondistributableMediaType(descriptor.mediaType),
  );
}

function missing(
  descriptors: readonly Descriptor[],
  isPresent: (digest: Digest) => boolean,
): readonly Digest[] {
  return [...new Set(descriptors.map(digestOf))].filter((digest) => !isPresent(digest));
}

function digestOf(descriptor: Descriptor): Digest {
  return descriptor.digest;
}

function unknown(what: string, digests: readonly Digest[]): AppError {
  const more = digests.length > 1 ? ` and ${digests.length - 1} more` : "";
  return new AppError(
    "MANIFEST_BLOB_UNKNOWN",
    `the manifest names the ${what} ${digests[0]}${more}, which this repository does not have: push it first`,
    { detail: { missing: digests.slice(0, 20) } },
  );
}

function absent(what: string, digests: readonly Digest[]): string {
  return `${digests.length} of the ${what} that this manifest names are not in this repository, the first is ${digests[0]}`;
}
