import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { manifestKey } from "../manifests/manifest-cache.ts";
import { releaseManifests } from "../manifests/manifest-hold-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId, lockRepositoryForDelete } from "../repositories/repository-store.ts";
import { deleteTagRow, findTag, recordTagChanges } from "./tag-store.ts";

/** Removes a tag, at once; the manifest stays (distribution-spec, "Deleting tags"). `MANIFEST_UNKNOWN` when there is no such tag. */
export async function deleteTag(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly tag: TagName },
): Promise<void> {
  const repositoryId = await findRepositoryId(deps.database.read, target.repository);
  const actor = actorName(call.actor);
  const removed =
    repositoryId !== undefined &&
    (await deps.database.transaction(async (tx) => {
      if (!(await lockRepositoryForDelete(tx, repositoryId))) return false;
      const before = await findTag(tx, repositoryId, target.tag);
      if (before === undefined) return false;
      const nowMs = deps.clock.nowMs();
      await deleteTagRow(tx, repositoryId, target.tag);
      await recordTagChanges(tx, [
        { repositoryId, tag: target.tag, before: before.digest, after: undefined, actor, nowMs },
      ]);
      await releaseManifests(tx, { ids: [before.manifestId], orphaned: false, nowMs }).execute();
      await recordAudit(tx, call, nowMs, {
        action: "tag.delete",
        target: `tag ${target.repository}:${target.tag}`,
        namespace: namespaceOf(target.repository, deps.defaultNamespace),
        repository: target.repository,
        before: { digest: before.digest },
      });
      await recordEvents(tx, [
        {
          kind: "tag.deleted",
          atMs: nowMs,
          repository: target.repository,
          actor,
          payload: { tag: target.tag, before: before.digest },
        },
      ]);
      return true;
    }));
  deps.manifestCache.forget([manifestKey(target.repository, target.tag)]);
  if (!removed) {
    throw new AppError("MANIFEST_UNKNOWN", `the repository ${target.repository} has no tag ${target.tag}`);
  }
}
