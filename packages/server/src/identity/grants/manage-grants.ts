import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import {
  deleteGrant,
  findRepositoryId,
  type Grant,
  holdRepository,
  listGrantsOn,
  upsertGrant,
} from "../../access/grant-store.ts";
import type { Role } from "../../access/roles.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { noSuchUser } from "../users/find-users.ts";
import { holdUser } from "../users/user-store.ts";
import { isUsername } from "../users/username.ts";

/** Who was granted what on a repository, by user name. `NAME_UNKNOWN` when there is no such repository. */
export async function listRepositoryGrants(
  deps: IdentityDeps,
  repository: RepositoryName,
): Promise<readonly Grant[]> {
  const id = await findRepositoryId(deps.database.read, repository);
  if (id === undefined) throw noSuchRepository(repository);
  return listGrantsOn(deps.database.read, id);
}

/**
 * Grants a role, replacing the one the user had. In force at once here, within about a second elsewhere. `NAME_UNKNOWN` and
 * `NOT_FOUND` when there is no such repository or user. May be repeated.
 */
export async function setGrant(
  deps: IdentityDeps,
  grant: {
    readonly repository: RepositoryName;
    readonly username: string;
    readonly role: Role;
    readonly actor: string;
  },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { repository, userId } = await holdBoth(tx, grant);
    await upsertGrant(tx, {
      subject: { userId },
      place: { repositoryId: repository.id },
      namespaceId: repository.namespaceId,
      role: grant.role,
      expiresAtMs: undefined,
      nowMs,
      createdBy: grant.actor,
    });
    await bumpAccessVersion(tx);
  });
  deps.access.changed();
}

/** Takes a grant back, tokens already issued included. `NOT_FOUND` when there is none, `NAME_UNKNOWN` when there is no such repository. */
export async function removeGrant(
  deps: IdentityDeps,
  grant: { readonly repository: RepositoryName; readonly username: string },
): Promise<void> {
  const removed = await deps.database.transaction(async (tx) => {
    const { repository, userId } = await holdBoth(tx, grant);
    const found = await deleteGrant(tx, { userId }, { repositoryId: repository.id });
    if (found) await bumpAccessVersion(tx);
    return found;
  });
  deps.access.changed();
  if (!removed) throw new AppError("NOT_FOUND", `${grant.username} has no grant on ${grant.repository}`);
}

/** Both stay as they are until the transaction ends. */
async function holdBoth(
  tx: Tx,
  grant: { readonly repository: RepositoryName; readonly username: string },
): Promise<{
  readonly repository: { readonly id: number; readonly namespaceId: number };
  readonly userId: number;
}> {
  const repository = await holdRepository(tx, grant.repository);
  if (repository === undefined) throw noSuchRepository(grant.repository);
  const userId = isUsername(grant.username) ? await holdUser(tx, grant.username) : undefined;
  if (userId === undefined) throw noSuchUser(grant.username);
  return { repository, userId };
}

function noSuchRepository(repository: RepositoryName): AppError {
  return new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
}
