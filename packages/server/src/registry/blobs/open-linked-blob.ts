import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { BlobReader } from "../../storage/blob-store/blob-store.ts";
import { readerOf } from "../../storage/blob-store/bytes-reader.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { blobKey, type LinkedBlob, smallBlobBytes } from "./blob-cache.ts";
import { findLinkedBlob, touchLink } from "./linked-blob-store.ts";

/** The blob as the repository has it; `BLOB_UNKNOWN` when it is not linked there, whatever other repositories hold. */
export async function getLinkedBlob(
  deps: RegistryDeps,
  repository: RepositoryName,
  digest: Digest,
): Promise<LinkedBlob> {
  const blob = await deps.blobCache.links.get(blobKey(repository, digest), () =>
    findLinkedBlob(deps.database.read, repository, digest),
  );
  if (blob === undefined) {
    throw blobUnknown(repository, digest);
  }
  return blob;
}

export function blobUnknown(repository: RepositoryName, digest: Digest): AppError {
  return new AppError("BLOB_UNKNOWN", `the repository ${repository} has no blob ${digest}`);
}

/**
 * As `getLinkedBlob`, for a client that asks whether it must upload: a blob that no manifest names gets its full time again, so
 * that it is still there when the manifest comes. Writes at most once per half grace window and blob.
 */
export async function confirmLinkedBlob(
  deps: RegistryDeps,
  repository: RepositoryName,
  digest: Digest,
): Promise<LinkedBlob> {
  const blob = await getLinkedBlob(deps, repository, digest);
  const nowMs = deps.clock.nowMs();
  const since = blob.unreferencedSinceMs;
  if (since !== undefined && nowMs - since > deps.gcGraceMs / 2) {
    await deps.database.transaction((tx) =>
      touchLink(tx, { repositoryId: blob.repositoryId, digest, nowMs }),
    );
    deps.blobCache.links.forget([blobKey(repository, digest)]);
    // The collector may have been faster: then the answer is that the blob is gone.
    return getLinkedBlob(deps, repository, digest);
  }
  return blob;
}

/** Opens the blob's bytes; small ones come from memory. The caller closes the reader. */
export async function openLinkedBlob(deps: RegistryDeps, blob: LinkedBlob): Promise<BlobReader> {
  if (blob.sizeBytes > smallBlobBytes) return deps.blobs.openBlob(blob.location);
  const cached = deps.blobCache.bytes.get(blob.location);
  if (cached !== undefined) return readerOf(cached);
  const reader = await deps.blobs.openBlob(blob.location);
  try {
    const bytes = Buffer.alloc(blob.sizeBytes);
    const got = await reader.read(bytes, 0);
    if (got !== blob.sizeBytes) {
      throw new Error(`blob ${blob.digest} has ${got} bytes in storage, not ${blob.sizeBytes}`);
    }
    deps.blobCache.bytes.set(blob.location, bytes);
    return readerOf(bytes);
  } finally {
    await reader.close();
  }
}
