import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { holdNamespace } from "../../access/namespace-alias-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { forgetContent } from "../forget-content.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { getRepository, type RepositoryRow } from "../repositories/change-repository.ts";
import { lockRepository } from "../repositories/repository-store.ts";
import { handOverGrants, isNameTaken, moveRepository, renameInScopes } from "./rename-store.ts";

/**
 * Gives a repository another name, in its namespace or another one; pulls by the old name go on until somebody creates a repository of that name.
 * Grants on the repository and credentials that name it whole go with it; what was granted on paths stays where it is, and in another
 * namespace the teams of the old one have nothing. The caller has decided that the actor administers the repository; here they must also be able to
 * create in the namespace of the new name (`DENIED`, also when there is none). `NAME_UNKNOWN`; `ALREADY_EXISTS` when the new name is taken.
 * In force at once here, within about a second elsewhere.
 */
export async function renameRepository(
  deps: RegistryDeps,
  call: Call,
  rename: { readonly from: RepositoryName; readonly to: RepositoryName },
): Promise<RepositoryRow> {
  const { from, to } = rename;
  const toNamespace = namespaceOf(to, deps.defaultNamespace);
  if ((await deps.access.decideOnNamespace(call.actor, "create", toNamespace)) !== "allowed") {
    throw new AppError("DENIED", `you may not create repositories in ${toNamespace}, or it does not exist`);
  }
  if (from === to) return getRepository(deps, from);
  await refuseEscape(deps, call, rename);
  const compare = await deps.regions?.compareAfter(call);
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const repository = await lockRepository(tx, from);
    if (repository === undefined) throw new AppError("NAME_UNKNOWN", `there is no repository ${from}`);
    const namespace = await holdNamespace(tx, toNamespace);
    if (namespace === undefined) throw new AppError("DENIED", `there is no namespace ${toNamespace}`);
    if (await isNameTaken(tx, to))
      throw new AppError("ALREADY_EXISTS", `there is a repository ${to} already`);
    await moveRepository(tx, { id: repository.id, from, to, namespaceId: namespace.id, nowMs });
    const isMoved = namespace.id !== repository.namespaceId;
    const endedTeamGrants = isMoved
      ? await handOverGrants(tx, {
          repositoryId: repository.id,
          fromNamespaceId: repository.namespaceId,
          toNamespaceId: namespace.id,
        })
      : 0;
    if (isMoved) await compare?.(tx);
    await renameInScopes(tx, from, to);
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: "repository.rename",
      target: `repository ${from}`,
      namespace: toNamespace,
      repository: to,
      before: { name: from },
      after: { name: to },
      detail: { endedTeamGrants },
    });
    await recordEvents(tx, [
      {
        kind: "repository.renamed",
        atMs: nowMs,
        repository: to,
        actor: actorName(call.actor),
        payload: { before: from },
      },
    ]);
  });
  deps.access.changed();
  await forgetContent(deps);
  return getRepository(deps, to);
}

/** Who is decided about outside must not get away from it by another name, nor slip in. */
async function refuseEscape(
  deps: RegistryDeps,
  { actor }: Call,
  { from, to }: { readonly from: RepositoryName; readonly to: RepositoryName },
): Promise<void> {
  const [before, after] = [await deps.access.explain(actor, from), await deps.access.explain(actor, to)];
  if (before.authority === after.authority) return;
  throw new AppError(
    "DENIED",
    "somebody outside decides about one of these places; an administrator of the registry can move it",
  );
}
