import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { type NewEvent, recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { listLinkedBlobIds, markUnlinkedBlobs } from "../blobs/linked-blob-store.ts";
import { forgetContent } from "../forget-content.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { listUploadsOf } from "../uploads/upload-store.ts";
import {
  deleteRepositoryRow,
  findRepository,
  lockRepository,
  lockRepositoryForRemoval,
  type RepositoryRow,
  type RepositorySettings,
  updateSettings,
} from "./repository-store.ts";

export type { RepositoryRow };

/** The repository of that name; `NAME_UNKNOWN` when there is none. */
export async function getRepository(deps: RegistryDeps, name: RepositoryName): Promise<RepositoryRow> {
  const repository = await findRepository(deps.database.read, name);
  if (repository === undefined) throw noSuchRepository(name);
  return repository;
}

/**
 * Changes what is given of visibility, state and description; in force at once here, within a second or so on other instances. `NAME_UNKNOWN`
 * when there is none. May be repeated: what is so already makes no event.
 */
export async function changeRepository(
  deps: RegistryDeps,
  call: Call,
  name: RepositoryName,
  change: RepositorySettings,
): Promise<RepositoryRow> {
  const after = await deps.database.transaction(async (tx) => {
    const before = await lockRepository(tx, name);
    if (before === undefined) throw noSuchRepository(name);
    const changed = changedSettings(before, change);
    if (Object.keys(changed).length === 0) return before;
    await updateSettings(tx, before.id, changed);
    await bumpAccessVersion(tx);
    const { visibility, state, description } = before;
    const was = changedSettings({ ...before, ...changed }, { visibility, state, description });
    const nowMs = deps.clock.nowMs();
    await recordAudit(tx, call, nowMs, {
      action: "repository.update",
      target: `repository ${name}`,
      namespace: namespaceOf(name, deps.defaultNamespace),
      repository: name,
      before: { ...was },
      after: { ...changed },
    });
    await recordEvents(tx, eventsOf(call, name, { atMs: nowMs, before, changed }));
    return { ...before, ...changed };
  });
  deps.access.changed();
  return after;
}

/** The part of a change that is one. */
function changedSettings(before: RepositoryRow, change: RepositorySettings): RepositorySettings {
  const { visibility, state, description } = change;
  return {
    ...(visibility !== undefined && visibility !== before.visibility && { visibility }),
    ...(state !== undefined && state !== before.state && { state }),
    ...(description !== undefined && description !== before.description && { description }),
  };
}

/** Of what decides who sees it; a description is nobody's business but its readers'. */
function eventsOf(
  call: Call,
  repository: RepositoryName,
  change: { readonly atMs: number; readonly before: RepositoryRow; readonly changed: RepositorySettings },
): readonly NewEvent[] {
  const { atMs, before, changed } = change;
  const { visibility, state } = changed;
  const event = { atMs, repository, actor: actorName(call.actor) };
  const events: NewEvent[] = [];
  if (visibility !== undefined) {
    const payload = { before: before.visibility, visibility };
    events.push({ ...event, kind: "repository.visibility-changed", payload });
  }
  if (state !== undefined) {
    events.push({ ...event, kind: "repository.state-changed", payload: { before: before.state, state } });
  }
  return events;
}

function noSuchRepository(name: RepositoryName): AppError {
  return new AppError("NAME_UNKNOWN", `there is no repository ${name}`);
}

/**
 * Deletes a repository with its manifests, tags, links, grants and history. Blobs that no other repository links start their time; bytes of
 * uploads under way are dropped. `NAME_UNKNOWN` when there is none.
 */
export async function deleteRepository(deps: RegistryDeps, call: Call, name: RepositoryName): Promise<void> {
  const repository = await getRepository(deps, name);
  const uploads = await deps.database.transaction(async (tx) => {
    if (!(await lockRepositoryForRemoval(tx, repository.id))) return [];
    const nowMs = deps.clock.nowMs();
    const blobIds = await listLinkedBlobIds(tx, repository.id);
    const open = await listUploadsOf(tx, repository.id);
    await deleteRepositoryRow(tx, repository.id);
    for (let start = 0; start < blobIds.length; start += 500) {
      await markUnlinkedBlobs(tx, blobIds.slice(start, start + 500), nowMs);
    }
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: "repository.delete",
      target: `repository ${name}`,
      namespace: namespaceOf(name, deps.defaultNamespace),
      repository: name,
      before: { visibility: repository.visibility, state: repository.state },
    });
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
  await forgetContent(deps);
  for (const upload of uploads) await deps.blobs.discardUpload(upload.id, upload.committing);
}
