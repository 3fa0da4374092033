import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { namespaceOf } from "../../access/create-access.ts";
import {
  deleteGrant,
  findRepositoryFacts,
  type Grant,
  listGrants,
  type Role,
  upsertGrant,
} from "../../access/grant-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getUser } from "../users/manage-users.ts";

/** Who was granted what on a repository, by user name. `NAME_UNKNOWN` when there is no such repository. */
export async function listRepositoryGrants(
  deps: IdentityDeps,
  repository: RepositoryName,
): Promise<readonly Grant[]> {
  return listGrants(deps.database.read, await repositoryId(deps, repository));
}

/** Grants a role, replacing the one the user had. In force at once here, within about a second elsewhere. May be repeated. */
export async function setGrant(
  deps: IdentityDeps,
  grant: { readonly repository: RepositoryName; readonly username: string; readonly role: Role },
): Promise<void> {
  const id = await repositoryId(deps, grant.repository);
  const user = await getUser(deps, grant.username);
  await deps.database.transaction(async (tx) => {
    await upsertGrant(tx, { userId: user.id, repositoryId: id, role: grant.role, nowMs: deps.clock.nowMs() });
    await bumpAccessVersion(tx);
  });
  deps.access.changed();
}

/** Takes a grant back, tokens already issued included. `NOT_FOUND` when there is none. */
export async function removeGrant(
  deps: IdentityDeps,
  grant: { readonly repository: RepositoryName; readonly username: string },
): Promise<void> {
  const id = await repositoryId(deps, grant.repository);
  const user = await getUser(deps, grant.username);
  const removed = await deps.database.transaction(async (tx) => {
    const found = await deleteGrant(tx, user.id, id);
    if (found) await bumpAccessVersion(tx);
    return found;
  });
  deps.access.changed();
  if (!removed) throw new AppError("NOT_FOUND", `${grant.username} has no grant on ${grant.repository}`);
}

async function repositoryId(deps: IdentityDeps, repository: RepositoryName): Promise<number> {
  const namespace = namespaceOf(repository, deps.defaultNamespace);
  const facts = await findRepositoryFacts(deps.database.read, repository, namespace);
  if (facts.repositoryId === undefined)
    throw new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
  return facts.repositoryId;
}
