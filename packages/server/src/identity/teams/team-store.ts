import { type TeamRole, teamRoles } from "../../access/rights-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";

/** People and robots of an organization who get rights together. */
export interface Team {
  readonly id: number;
  readonly namespaceId: number;
  readonly name: string;
  /** What its members may in the organization, beside what is granted to the team. */
  readonly role: TeamRole;
  readonly description: string;
  readonly createdAtMs: number;
}

export type MemberOrigin = "manual" | "sync";

export interface Member {
  readonly username: string;
  readonly kind: string;
  /** 'sync' = a directory says so. */
  readonly origin: MemberOrigin;
  readonly addedAtMs: number;
}

const columns = ["id", "namespace_id", "name", "role", "description", "created_at_ms"] as const;

export async function findTeam(db: Queryable, namespaceId: number, name: string): Promise<Team | undefined> {
  const row = await db
    .selectFrom("teams")
    .select(columns)
    .where("namespace_id", "=", namespaceId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row === undefined ? undefined : toTeam(row);
}

/** The team as it is until this transaction ends; others may still name it in a grant. */
export async function lockTeam(tx: Tx, namespaceId: number, name: string): Promise<Team | undefined> {
  const query = tx
    .selectFrom("teams")
    .select(columns)
    .where("namespace_id", "=", namespaceId)
    .where("name", "=", name);
  const row = await forNoKeyUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toTeam(row);
}

/** The teams of a namespace by name in byte order after `last`. */
export async function listTeams(
  db: Queryable,
  namespaceId: number,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly Team[]> {
  let query = db
    .selectFrom("teams")
    .select(columns)
    .where("namespace_id", "=", namespaceId)
    .orderBy("name")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("name", ">", page.last);
  return (await query.execute()).map(toTeam);
}

/** Inserts a team; undefined when the namespace has one of that name. */
export async function insertTeam(
  tx: Tx,
  team: {
    readonly namespaceId: number;
    readonly name: string;
    readonly role: TeamRole;
    readonly description: string;
    readonly nowMs: number;
  },
): Promise<Team | undefined> {
  const row = await tx
    .insertInto("teams")
    .values({
      namespace_id: team.namespaceId,
      name: team.name,
      role: team.role,
      description: team.description,
      created_at_ms: team.nowMs,
    })
    .onConflict((conflict) => conflict.columns(["namespace_id", "name"]).doNothing())
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toTeam(row);
}

export async function updateTeam(
  tx: Tx,
  id: number,
  change: { readonly name?: string; readonly role?: TeamRole; readonly description?: string },
): Promise<void> {
  const values = {
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.role === undefined ? {} : { role: change.role }),
    ...(change.description === undefined ? {} : { description: change.description }),
  };
  if (Object.keys(values).length === 0) return;
  await tx.updateTable("teams").set(values).where("id", "=", id).execute();
}

/** Deletes the row; memberships, grants and invitations go by cascade. */
export async function deleteTeamRow(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("teams").where("id", "=", id).execute();
}

/** The members of a team by user name in byte order after `last`. */
export async function listMembers(
  db: Queryable,
  teamId: number,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly Member[]> {
  let query = db
    .selectFrom("team_members as m")
    .innerJoin("users as u", "u.id", "m.user_id")
    .select(["u.username", "u.kind", "m.origin", "m.added_at_ms"])
    .where("m.team_id", "=", teamId)
    .orderBy("u.username")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("u.username", ">", page.last);
  return (await query.execute()).map((row) => ({
    username: row.username,
    kind: row.kind,
    origin: row.origin === "sync" ? "sync" : "manual",
    addedAtMs: row.added_at_ms,
  }));
}

/** Undefined = no member. */
export async function findMemberOrigin(
  db: Queryable,
  teamId: number,
  userId: number,
): Promise<MemberOrigin | undefined> {
  const row = await db
    .selectFrom("team_members")
    .select("origin")
    .where("team_id", "=", teamId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return row.origin === "sync" ? "sync" : "manual";
}

/** False when the user is in the team already. */
export async function insertMember(
  tx: Tx,
  member: {
    readonly teamId: number;
    readonly userId: number;
    readonly origin: MemberOrigin;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const row = await tx
    .insertInto("team_members")
    .values({
      team_id: member.teamId,
      user_id: member.userId,
      origin: member.origin,
      added_at_ms: member.nowMs,
    })
    .onConflict((conflict) => conflict.columns(["team_id", "user_id"]).doNothing())
    .returning("user_id")
    .executeTakeFirst();
  return row !== undefined;
}

/** False when the user is not in the team. */
export async function deleteMember(tx: Tx, teamId: number, userId: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("team_members")
    .where("team_id", "=", teamId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Whether groups of a directory fill the team. */
export async function isSynced(db: Queryable, teamId: number): Promise<boolean> {
  const query = db.selectFrom("team_bindings").select("team_id").where("team_id", "=", teamId).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Whether the user is in any team of the namespace. */
export async function isInAnyTeam(db: Queryable, namespaceId: number, userId: number): Promise<boolean> {
  const row = await db
    .selectFrom("team_members as m")
    .innerJoin("teams as t", "t.id", "m.team_id")
    .select("m.user_id")
    .where("m.user_id", "=", userId)
    .where("t.namespace_id", "=", namespaceId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a person who can sign in is in a team that administers the namespace. */
export async function hasLivingAdministrator(tx: Tx, namespaceId: number, nowMs: number): Promise<boolean> {
  const row = await tx
    .selectFrom("teams as t")
    .innerJoin("team_members as m", "m.team_id", "t.id")
    .innerJoin("users as u", "u.id", "m.user_id")
    .select("u.id")
    .where("t.namespace_id", "=", namespaceId)
    .where("t.role", "=", "admin")
    .where("u.kind", "=", "person")
    .where("u.is_disabled", "=", 0)
    .where(({ eb, or }) => or([eb("u.expires_at_ms", "is", null), eb("u.expires_at_ms", ">", nowMs)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** The organizations that a user helps to administer, by name. */
export async function listAdministeredBy(
  db: Queryable,
  userId: number,
): Promise<readonly { readonly id: number; readonly name: string }[]> {
  return db
    .selectFrom("team_members as m")
    .innerJoin("teams as t", "t.id", "m.team_id")
    .innerJoin("namespaces as n", "n.id", "t.namespace_id")
    .select(["n.id", "n.name"])
    .distinct()
    .where("m.user_id", "=", userId)
    .where("t.role", "=", "admin")
    .orderBy("n.name")
    .execute();
}

/** The e-mail addresses of those who administer an organization. */
export async function listAdministratorEmails(
  db: Queryable,
  namespaceId: number,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("teams as t")
    .innerJoin("team_members as m", "m.team_id", "t.id")
    .innerJoin("users as u", "u.id", "m.user_id")
    .select("u.email")
    .where("t.namespace_id", "=", namespaceId)
    .where("t.role", "=", "admin")
    .execute();
  return rows.flatMap((row) => row.email ?? []);
}

export function toTeamRole(text: string): TeamRole {
  return teamRoles.find((role) => role === text) ?? "member";
}

function toTeam(row: {
  readonly id: number;
  readonly namespace_id: number;
  readonly name: string;
  readonly role: string;
  readonly description: string;
  readonly created_at_ms: number;
}): Team {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    name: row.name,
    role: toTeamRole(row.role),
    description: row.description,
    createdAtMs: row.created_at_ms,
  };
}
