import type { Reference } from "@entrepot/oci/reference";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { manifestKey, type StoredManifest } from "./manifest-cache.ts";
import { findManifest } from "./manifest-store.ts";

/** The manifest a tag or digest names, with the bytes as they were pushed. `MANIFEST_UNKNOWN` when there is none. */
export async function getManifest(
  deps: RegistryDeps,
  repository: RepositoryName,
  reference: Reference,
): Promise<StoredManifest> {
  const text = reference.kind === "tag" ? reference.tag : reference.digest;
  const manifest = await deps.manifestCache.get(manifestKey(repository, text), () =>
    findManifest(deps.database.read, repository, reference),
  );
  if (manifest === undefined) {
    throw manifestUnknown(repository, reference);
  }
  return manifest;
}

export function manifestUnknown(repository: RepositoryName, reference: Reference): AppError {
  return new AppError(
    "MANIFEST_UNKNOWN",
    reference.kind === "tag"
      ? `the repository ${repository} has no tag ${reference.tag}`
      : `the repository ${repository} has no manifest ${reference.digest}`,
  );
}
