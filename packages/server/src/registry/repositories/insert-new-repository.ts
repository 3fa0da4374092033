import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { Visibility } from "../../access/actions.ts";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { listDefaultRoles } from "../../access/default-grant-store.ts";
import { upsertGrant } from "../../access/grant-store.ts";
import { isNameKept } from "../../access/namespace-alias-store.ts";
import { hasEnded } from "../../access/permit.ts";
import { loadRights } from "../../access/rights-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { isReservedName } from "../../identity/users/username.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { deleteRepositoryAlias } from "../renames/rename-store.ts";
import { ensureNamespace, insertRepository } from "./repository-store.ts";

export interface NewRepository {
  readonly name: RepositoryName;
  /** Undefined = as its namespace has it. */
  readonly visibility?: Visibility | undefined;
  readonly description?: string | undefined;
}

/**
 * Inserts a repository with the grants that it starts with, and its namespace when that is missing; undefined when there is one of that name.
 * A name that another repository had is its own from then on. `DENIED` for a namespace whose name is reserved. The caller has decided that
 * the actor may create it, and tells `Access.changed()` after the commit.
 */
export async function insertNewRepository(
  deps: RegistryDeps,
  call: Call,
  tx: Tx,
  repository: NewRepository,
): Promise<number | undefined> {
  const { name, description = "" } = repository;
  const nowMs = deps.clock.nowMs();
  const namespaceName = namespaceOf(name, deps.defaultNamespace);
  const namespace = await ensureNamespace(tx, {
    name: namespaceName,
    defaultVisibility: deps.defaultVisibility,
    nowMs,
  });
  if (namespace.isNew) await refuseReserved(deps, tx, namespaceName);
  const visibility = repository.visibility ?? namespace.defaultVisibility;
  const id = await insertRepository(tx, { name, namespaceId: namespace.id, visibility, description, nowMs });
  if (id === undefined) return undefined;
  await deleteRepositoryAlias(tx, name);
  await grantFirstRoles(call, tx, { id, name, namespaceId: namespace.id, namespaceName, nowMs });
  await bumpAccessVersion(tx);
  await recordAudit(tx, call, nowMs, {
    action: "repository.create",
    target: `repository ${name}`,
    namespace: namespaceName,
    repository: name,
    after: { visibility, description },
  });
  await recordEvents(tx, [
    {
      kind: "repository.created",
      atMs: nowMs,
      repository: name,
      actor: actorName(call.actor),
      payload: { visibility },
    },
  ]);
  return id;
}

async function refuseReserved(deps: RegistryDeps, tx: Tx, name: string): Promise<void> {
  const isReserved = name !== deps.defaultNamespace && isReservedName(name, deps.defaultNamespace);
  if (!isReserved && !(await isNameKept(tx, name))) return;
  throw new AppError("DENIED", `the name ${name} is reserved: no namespace can be created with it`);
}

/**
 * The namespace's default grants; then, for somebody whom a team lets create repositories and who would not administer this one otherwise, a
 * grant to administer it.
 */
async function grantFirstRoles(
  { actor }: Call,
  tx: Tx,
  repository: {
    readonly id: number;
    readonly name: RepositoryName;
    readonly namespaceId: number;
    readonly namespaceName: string;
    readonly nowMs: number;
  },
): Promise<void> {
  const { id, name, namespaceId, nowMs } = repository;
  const grant = {
    place: { repositoryId: id },
    namespaceId,
    expiresAtMs: undefined,
    nowMs,
    createdBy: actorName(actor),
  };
  const userId = actor.kind === "user" ? actor.userId : undefined;
  for (const { subject, role } of await listDefaultRoles(tx, namespaceId, userId)) {
    await upsertGrant(tx, { ...grant, subject, role });
  }
  if (actor.kind !== "user" || actor.isAdmin) return;
  const facts = await loadRights(tx, {
    userId: actor.userId,
    repository: name,
    namespace: repository.namespaceName,
  });
  const isAdminAlready =
    facts.isOwner ||
    facts.teamRoles.includes("admin") ||
    facts.grants.some((each) => each.role === "admin" && !hasEnded(each, nowMs));
  if (isAdminAlready || !facts.teamRoles.includes("creator")) return;
  await upsertGrant(tx, { ...grant, subject: { userId: actor.userId }, role: "admin" });
}
