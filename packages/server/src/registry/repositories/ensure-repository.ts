import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureNamespace, findRepositoryId, insertRepository } from "./repository-store.ts";

/**
 * The id of the repository, created if this is the first push to it. The caller has decided that the actor may push; that
 * includes creating (access decides 'push' on a name that does not exist). Several at once create it once.
 */
export async function ensureRepository(
  deps: RegistryDeps,
  call: Call,
  name: RepositoryName,
): Promise<number> {
  const existing = await findRepositoryId(deps.database.read, name);
  if (existing !== undefined) return existing;
  const nowMs = deps.clock.nowMs();
  const id = await deps.database.transaction(async (tx) => {
    const namespace = await ensureNamespace(tx, {
      name: namespaceOf(name, deps.defaultNamespace),
      defaultVisibility: deps.defaultVisibility,
      nowMs,
    });
    const inserted = await insertRepository(tx, {
      name,
      namespaceId: namespace.id,
      visibility: namespace.defaultVisibility,
      nowMs,
    });
    if (inserted === undefined) return findRepositoryId(tx, name);
    await bumpAccessVersion(tx);
    await recordEvents(tx, [
      {
        kind: "repository.created",
        atMs: nowMs,
        repository: name,
        actor: actorName(call.actor),
        payload: { visibility: namespace.defaultVisibility },
      },
    ]);
    return inserted;
  });
  deps.access.changed();
  // Undefined only if somebody deleted the repository between the two statements; the next try creates it again.
  return id ?? ensureRepository(deps, call, name);
}
