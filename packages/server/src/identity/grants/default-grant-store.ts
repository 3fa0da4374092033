import type { GrantSubject } from "../../access/grant-store.ts";
import { type Role, toRole } from "../../access/roles.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** What a new repository of a namespace starts with. */
export interface DefaultGrant {
  readonly id: number;
  /** Only for repositories that this one creates; undefined = whoever creates. */
  readonly creator: string | undefined;
  readonly username: string | undefined;
  readonly team: string | undefined;
  readonly role: Role;
  readonly createdAtMs: number;
}

function withNames(db: Queryable, namespaceId: number) {
  return db
    .selectFrom("default_grants as d")
    .leftJoin("users as c", "c.id", "d.creator_user_id")
    .leftJoin("users as u", "u.id", "d.user_id")
    .leftJoin("teams as t", "t.id", "d.team_id")
    .select(["d.id", "c.username as creator", "u.username", "t.name as team", "d.role", "d.created_at_ms"])
    .where("d.namespace_id", "=", namespaceId);
}

/** In the order in which they were made. */
export async function listDefaultGrants(
  db: Queryable,
  namespaceId: number,
): Promise<readonly DefaultGrant[]> {
  return (await withNames(db, namespaceId).orderBy("d.id").execute()).map(toDefaultGrant);
}

export async function findDefaultGrant(
  db: Queryable,
  namespaceId: number,
  id: number,
): Promise<DefaultGrant | undefined> {
  const row = await withNames(db, namespaceId).where("d.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toDefaultGrant(row);
}

/** Whether there is one for the same creator and subject. */
export async function hasDefaultGrantFor(
  db: Queryable,
  namespaceId: number,
  creatorId: number | undefined,
  subject: GrantSubject,
): Promise<boolean> {
  let query = db
    .selectFrom("default_grants")
    .select("id")
    .where("namespace_id", "=", namespaceId)
    .where("creator_user_id", creatorId === undefined ? "is" : "=", creatorId ?? null);
  query =
    "userId" in subject
      ? query.where("user_id", "=", subject.userId)
      : query.where("team_id", "=", subject.teamId);
  return (await query.limit(1).executeTakeFirst()) !== undefined;
}

export async function insertDefaultGrant(
  tx: Tx,
  grant: {
    readonly namespaceId: number;
    readonly creatorId: number | undefined;
    readonly subject: GrantSubject;
    readonly role: Role;
    readonly nowMs: number;
  },
): Promise<number> {
  const { subject } = grant;
  const row = await tx
    .insertInto("default_grants")
    .values({
      namespace_id: grant.namespaceId,
      creator_user_id: grant.creatorId ?? null,
      user_id: "userId" in subject ? subject.userId : null,
      team_id: "teamId" in subject ? subject.teamId : null,
      role: grant.role,
      created_at_ms: grant.nowMs,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

export async function updateDefaultGrant(tx: Tx, id: number, role: Role): Promise<void> {
  await tx.updateTable("default_grants").set({ role }).where("id", "=", id).execute();
}

export async function deleteDefaultGrant(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("default_grants").where("id", "=", id).execute();
}

function toDefaultGrant(row: {
  readonly id: number;
  readonly creator: string | null;
  readonly username: string | null;
  readonly team: string | null;
  readonly role: string;
  readonly created_at_ms: number;
}): DefaultGrant {
  return {
    id: row.id,
    creator: row.creator ?? undefined,
    username: row.username ?? undefined,
    team: row.team ?? undefined,
    role: toRole(row.role),
    createdAtMs: row.created_at_ms,
  };
}
