import { repositoryNameMaxLength } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import {
  deleteKeptName,
  findAliasedNamespaceId,
  holdNamespace,
  insertNamespaceAlias,
  isNameKept,
} from "../../access/namespace-alias-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { isOrganizationName } from "../../identity/organizations/organization-name.ts";
import { isReservedName } from "../../identity/users/username.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { isUniqueViolation } from "../../storage/database/database-error.ts";
import { forgetContent } from "../forget-content.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { hasAccountsBelow, hasWildDecisionPoints, longestNameLength, moveNamespace } from "./rename-store.ts";

/**
 * Gives an organization another name: its repositories, grants on its paths, robots and the scopes of credentials take the new first component, all or
 * nothing. The old name is kept for it: it can be pulled by, and nobody else can take it; taking it back ends that. `REQUEST_INVALID` for a
 * name that is none, for a person's namespace, and for the one of names with a single component; `ALREADY_EXISTS` for a name that is
 * taken or reserved; `NOT_FOUND`; `DENIED` where a decision point is bound to names by a wildcard, but for administrators. In force at once here, within about a second elsewhere. May be repeated.
 */
export async function renameNamespace(
  deps: RegistryDeps,
  call: Call,
  rename: { readonly from: string; readonly to: string },
): Promise<void> {
  const { from, to } = rename;
  if (!isOrganizationName(to))
    throw new AppError("REQUEST_INVALID", "the new name is none that a namespace can have");
  if (isReservedName(to, deps.defaultNamespace)) throw taken(to);
  if (from === deps.defaultNamespace) {
    throw new AppError("REQUEST_INVALID", `${from} is the namespace of names with one component; it stays`);
  }
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const namespace = await holdNamespace(tx, from);
    if (namespace === undefined) throw new AppError("NOT_FOUND", `there is no namespace ${from}`);
    if (namespace.kind !== "organization") {
      throw new AppError("REQUEST_INVALID", "a person's namespace is called as the person");
    }
    if (from === to) return;
    if (!deps.access.isAdministrator(call.actor) && (await hasWildDecisionPoints(tx))) {
      throw new AppError(
        "DENIED",
        "somebody outside decides by names of namespaces; an administrator of the registry can rename it",
      );
    }
    await takeName(tx, namespace.id, to);
    const grown = (await longestNameLength(tx, namespace.id)) + to.length - from.length;
    if (grown > repositoryNameMaxLength) {
      throw new AppError(
        "REQUEST_INVALID",
        `a repository's name would be longer than ${repositoryNameMaxLength} characters`,
      );
    }
    await moveNamespace(tx, { id: namespace.id, from, to }).catch((error: unknown) => {
      // Somebody has taken the name since it was looked up.
      throw isUniqueViolation(error) ? taken(to) : error;
    });
    await insertNamespaceAlias(tx, { name: from, namespaceId: namespace.id, nowMs });
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: "namespace.rename",
      target: `namespace ${from}`,
      namespace: to,
      before: { name: from },
      after: { name: to },
    });
    await recordEvents(tx, [
      {
        kind: "namespace.renamed",
        atMs: nowMs,
        repository: null,
        actor: actorName(call.actor),
        payload: { before: from, name: to },
      },
    ]);
  });
  deps.access.changed();
  await forgetContent(deps);
}

/** The name is free, or the namespace's own from before. */
async function takeName(tx: Tx, namespaceId: number, name: string): Promise<void> {
  // First: whoever has the name may be giving it up, and then it is kept.
  if ((await holdNamespace(tx, name)) !== undefined || (await hasAccountsBelow(tx, name))) throw taken(name);
  if ((await findAliasedNamespaceId(tx, name)) === namespaceId) await deleteKeptName(tx, name);
  else if (await isNameKept(tx, name)) throw taken(name);
}

/** The same whatever has it. */
function taken(name: string): AppError {
  return new AppError("ALREADY_EXISTS", `the name ${name} is taken or reserved`);
}
