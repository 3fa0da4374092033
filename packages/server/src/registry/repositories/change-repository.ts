import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { Visibility } from "../../access/actions.ts";
import { actorName } from "../../access/actor.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { listLinkedBlobIds, markUnlinkedBlobs } from "../blobs/linked-blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { listUploadsOf } from "../uploads/upload-store.ts";
import {
  deleteRepositoryRow,
  findRepository,
  lockRepositoryForDelete,
  type RepositoryRow,
  updateVisibility,
} from "./repository-store.ts";

export type { RepositoryRow };

/** The repository of that name; `NAME_UNKNOWN` when there is none. */
export async function getRepository(deps: RegistryDeps, name: RepositoryName): Promise<RepositoryRow> {
  const repository = await findRepository(deps.database.read, name);
  if (repository === undefined) throw new AppError("NAME_UNKNOWN", `there is no repository ${name}`);
  return repository;
}

/** Makes a repository public or private; in force at once here, within a second or so on other instances. May be repeated. */
export async function setVisibility(
  deps: RegistryDeps,
  call: Call,
  change: { readonly name: RepositoryName; readonly visibility: Visibility },
): Promise<RepositoryRow> {
  const repository = await getRepository(deps, change.name);
  await deps.database.transaction(async (tx) => {
    await updateVisibility(tx, repository.id, change.visibility);
    await bumpAccessVersion(tx);
    await recordEvents(tx, [
      {
        kind: "repository.visibility-changed",
        atMs: deps.clock.nowMs(),
        repository: change.name,
        actor: actorName(call.actor),
        payload: { before: repository.visibility, visibility: change.visibility },
      },
    ]);
  });
  deps.access.changed();
  return { ...repository, visibility: change.visibility };
}

/**
 * Deletes a repository with its manifests, tags, links, grants and history. Blobs that no other repository links start their time; bytes of
 * uploads under way are dropped. `NAME_UNKNOWN` when there is none.
 */
export async function deleteRepository(deps: RegistryDeps, call: Call, name: RepositoryName): Promise<void> {
  const repository = await getRepository(deps, name);
  const uploads = await deps.database.transaction(async (tx) => {
    if (!(await lockRepositoryForDelete(tx, repository.id))) return [];
    const nowMs = deps.clock.nowMs();
    const blobIds = await listLinkedBlobIds(tx, repository.id);
    const open = await listUploadsOf(tx, repository.id);
    await deleteRepositoryRow(tx, repository.id);
    for (let start = 0; start < blobIds.length; start += 500) {
      await markUnlinkedBlobs(tx, blobIds.slice(start, start + 500), nowMs);
    }
    await bumpAccessVersion(tx);
    await recordEvents(tx, [
      {
        kind: "repository.deleted",
        atMs: nowMs,
        repository: name,
        actor: actorName(call.actor),
        payload: {},
      },
    ]);
    return open;
  });
  deps.access.changed();
  deps.manifestCache.clear();
  deps.blobCache.links.clear();
  for (const upload of uploads) await deps.blobs.discardUpload(upload.id, upload.committing);
}
