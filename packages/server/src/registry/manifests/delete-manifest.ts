import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { forgetContent } from "../forget-content.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId, lockRepositoryForDelete } from "../repositories/repository-store.ts";
import { deleteTagsOf, recordTagChanges } from "../tags/tag-store.ts";
import { releaseReferences } from "./manifest-hold-store.ts";
import { deleteManifestRow, findManifestId, listReferences } from "./manifest-store.ts";

/**
 * Deletes a manifest with all its tags, at once (distribution-spec, "Deleting manifests"). What only it held starts its time: blobs,
 * entries of an index, referrers. `MANIFEST_UNKNOWN` when it is not there.
 */
export async function deleteManifest(
  deps: RegistryDeps,
  source: AuditSource,
  target: { readonly repository: RepositoryName; readonly digest: Digest },
): Promise<void> {
  const repositoryId = await findRepositoryId(deps.database.read, target.repository);
  const removed =
    repositoryId !== undefined &&
    (await deps.database.transaction(async (tx) => {
      if (!(await lockRepositoryForDelete(tx, repositoryId))) return false;
      const id = await findManifestId(tx, repositoryId, target.digest);
      if (id === undefined) return false;
      await removeManifest(tx, source, {
        ...target,
        id,
        repositoryId,
        namespace: namespaceOf(target.repository, deps.defaultNamespace),
        nowMs: deps.clock.nowMs(),
      });
      return true;
    }));
  await forgetContent(deps);
  if (!removed) {
    throw new AppError(
      "MANIFEST_UNKNOWN",
      `the repository ${target.repository} has no manifest ${target.digest}`,
    );
  }
}

/** Removes one manifest in the caller's transaction, which holds the repository (`lockRepositoryForDelete`). */
export async function removeManifest(
  tx: Tx,
  source: AuditSource,
  manifest: {
    readonly id: number;
    readonly repository: string;
    readonly repositoryId: number;
    readonly digest: Digest;
    /** Undefined = what the name begins with. */
    readonly namespace?: string;
    readonly nowMs: number;
  },
): Promise<void> {
  const { repository, repositoryId, digest, nowMs } = manifest;
  const actor = actorName(source.actor);
  const names = [...new Set((await listReferences(tx, manifest.id)).map((reference) => reference.digest))];
  const tags = await deleteTagsOf(tx, manifest.id);
  await recordTagChanges(
    tx,
    tags.map((tag) => ({ repositoryId, tag, before: digest, after: undefined, actor, nowMs })),
  );
  await deleteManifestRow(tx, manifest.id);
  await releaseReferences(tx, { repositoryId, digest, names, nowMs });
  await recordAudit(tx, source, nowMs, {
    action: "manifest.delete",
    target: `manifest ${repository}@${digest}`,
    namespace: manifest.namespace,
    repository,
    before: { digest, tags },
  });
  const common = { atMs: nowMs, repository, actor };
  await recordEvents(tx, [
    ...tags.map((tag) => ({ ...common, kind: "tag.deleted" as const, payload: { tag, before: digest } })),
    { ...common, kind: "manifest.deleted" as const, payload: { digest } },
  ]);
}
