import type { Queryable, Tx } from "../storage/database/database.ts";
import { forKeyShare } from "../storage/database/row-locks.ts";

export const roles = ["read", "write", "admin"] as const;
export type Role = (typeof roles)[number];

/** What decides about one repository, whoever asks. */
export interface RepositoryFacts {
  readonly repositoryId: number | undefined; // undefined = there is no such repository
  readonly isPublic: boolean;
  readonly ownerUserId: number | undefined; // of the namespace
  readonly createOnPush: boolean;
}

export interface Grant {
  readonly userId: number;
  readonly username: string;
  readonly role: Role;
}

/** Facts about a name: the repository if it exists, else what its namespace says about creating it. One query for a repository that exists. */
export async function findRepositoryFacts(
  db: Queryable,
  name: string,
  namespace: string,
): Promise<RepositoryFacts> {
  const row = await db
    .selectFrom("repositories as r")
    .innerJoin("namespaces as n", "n.id", "r.namespace_id")
    .select(["r.id", "r.visibility", "n.owner_user_id", "n.create_on_push"])
    .where("r.name", "=", name)
    .executeTakeFirst();
  if (row !== undefined) {
    return {
      repositoryId: row.id,
      isPublic: row.visibility === "public",
      ownerUserId: row.owner_user_id ?? undefined,
      createOnPush: row.create_on_push === 1,
    };
  }
  const owner = await db
    .selectFrom("namespaces")
    .select(["owner_user_id", "create_on_push"])
    .where("name", "=", namespace)
    .executeTakeFirst();
  return {
    repositoryId: undefined,
    isPublic: false,
    ownerUserId: owner?.owner_user_id ?? undefined,
    createOnPush: owner?.create_on_push === 1,
  };
}

export async function findRepositoryId(db: Queryable, name: string): Promise<number | undefined> {
  const row = await db.selectFrom("repositories").select("id").where("name", "=", name).executeTakeFirst();
  return row?.id;
}

/** As `findRepositoryId`; the repository is not deleted until this transaction ends. */
export async function holdRepository(tx: Tx, name: string): Promise<number | undefined> {
  const query = tx.selectFrom("repositories").select("id").where("name", "=", name);
  return (await forKeyShare(tx, query).executeTakeFirst())?.id;
}

export async function findGrantedRole(
  db: Queryable,
  userId: number,
  repositoryId: number,
): Promise<Role | undefined> {
  const row = await db
    .selectFrom("grants")
    .select("role")
    .where("user_id", "=", userId)
    .where("repository_id", "=", repositoryId)
    .executeTakeFirst();
  return toRole(row?.role);
}

/** What a user's listings show beyond public repositories. */
export async function listReadable(
  db: Queryable,
  userId: number,
): Promise<{ readonly repositoryIds: readonly number[]; readonly namespaceIds: readonly number[] }> {
  const granted = await db
    .selectFrom("grants")
    .select("repository_id")
    .where("user_id", "=", userId)
    .execute();
  const owned = await db.selectFrom("namespaces").select("id").where("owner_user_id", "=", userId).execute();
  return { repositoryIds: granted.map((row) => row.repository_id), namespaceIds: owned.map((row) => row.id) };
}

export async function listGrants(db: Queryable, repositoryId: number): Promise<readonly Grant[]> {
  const rows = await db
    .selectFrom("grants as g")
    .innerJoin("users as u", "u.id", "g.user_id")
    .select(["g.user_id", "u.username", "g.role"])
    .where("g.repository_id", "=", repositoryId)
    .orderBy("u.username")
    .execute();
  return rows.map((row) => ({
    userId: row.user_id,
    username: row.username,
    role: toRole(row.role) ?? "read",
  }));
}

export async function upsertGrant(
  tx: Tx,
  grant: {
    readonly userId: number;
    readonly repositoryId: number;
    readonly role: Role;
    readonly nowMs: number;
  },
): Promise<void> {
  await tx
    .insertInto("grants")
    .values({
      user_id: grant.userId,
      repository_id: grant.repositoryId,
      role: grant.role,
      created_at_ms: grant.nowMs,
    })
    .onConflict((conflict) =>
      conflict.columns(["user_id", "repository_id"]).doUpdateSet({ role: grant.role }),
    )
    .execute();
}

/** False when there was none. */
export async function deleteGrant(tx: Tx, userId: number, repositoryId: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("grants")
    .where("user_id", "=", userId)
    .where("repository_id", "=", repositoryId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

function toRole(text: string | undefined): Role | undefined {
  return roles.find((role) => role === text);
}
