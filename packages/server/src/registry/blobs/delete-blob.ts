import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { namespaceOf } from "../../access/create-access.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { forgetContent } from "../forget-content.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId, lockRepositoryForDelete } from "../repositories/repository-store.ts";
import { findManifestNaming, unlinkBlob } from "./linked-blob-store.ts";

/**
 * Takes a blob out of a repository, at once. `IN_USE` while a manifest of the repository names it: nothing reachable is ever deleted.
 * `BLOB_UNKNOWN` when it is not there. Other repositories that link the same content keep it.
 */
export async function deleteBlob(
  deps: RegistryDeps,
  source: AuditSource,
  target: { readonly repository: RepositoryName; readonly digest: Digest },
): Promise<void> {
  const repositoryId = await findRepositoryId(deps.database.read, target.repository);
  const { digest } = target;
  const removed =
    repositoryId !== undefined &&
    (await deps.database.transaction(async (tx) => {
      if (!(await lockRepositoryForDelete(tx, repositoryId))) return false;
      const manifest = await findManifestNaming(tx, repositoryId, digest);
      if (manifest !== undefined) {
        throw new AppError(
          "IN_USE",
          `the blob ${digest} belongs to the manifest ${manifest}; delete the manifest, and the blob goes with it`,
        );
      }
      const nowMs = deps.clock.nowMs();
      if (!(await unlinkBlob(tx, { repositoryId, digest, nowMs }))) return false;
      await recordAudit(tx, source, nowMs, {
        action: "blob.delete",
        target: `blob ${target.repository}@${digest}`,
        namespace: namespaceOf(target.repository, deps.defaultNamespace),
        repository: target.repository,
        before: { digest },
      });
      return true;
    }));
  await forgetContent(deps);
  if (!removed)
    throw new AppError("BLOB_UNKNOWN", `the repository ${target.repository} has no blob ${digest}`);
}
