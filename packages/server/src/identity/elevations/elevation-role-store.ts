import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import { sql } from "kysely";
import { type Role, toRole } from "../../access/roles.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forShare, forUpdate } from "../../storage/database/row-locks.ts";

/** A role that can be held for a time. */
export interface ElevationRole {
  readonly id: number;
  /** Undefined = of the whole registry. */
  readonly namespaceId: number | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly description: string;
  readonly isAdministrator: boolean;
  readonly grants: readonly RoleGrant[];
  readonly maxDurationSeconds: number;
  readonly requiresApproval: boolean;
  readonly alertMail: readonly string[];
  readonly alertUrl: string | undefined;
  /** Sealed. */
  readonly alertSecret: string | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

export interface RoleGrant {
  readonly pattern: RepositoryPattern;
  readonly role: Role;
}

export type MemberPower = "assume" | "approve";

/** Who may assume a role, or approve that. */
export type RoleMember =
  | { readonly userId: number; readonly teamId?: undefined }
  | { readonly teamId: number; readonly userId?: undefined };

export interface NamedMember {
  readonly may: MemberPower;
  readonly username: string | undefined;
  /** "acme/release" */
  readonly team: string | undefined;
}

function roles(db: Queryable) {
  return db
    .selectFrom("elevation_roles as r")
    .leftJoin("namespaces as n", "n.id", "r.namespace_id")
    .selectAll("r")
    .select("n.name as namespace");
}

export async function findRole(
  db: Queryable,
  namespace: string | undefined,
  name: string,
): Promise<ElevationRole | undefined> {
  const query = roles(db).where("r.name", "=", name);
  const row = await (namespace === undefined
    ? query.where("r.namespace_id", "is", null)
    : query.where("n.name", "=", namespace)
  ).executeTakeFirst();
  return row === undefined ? undefined : toRoleOf(row);
}

/** The roles of a namespace, or of the registry, by name. */
export async function listRoles(
  db: Queryable,
  namespace: string | undefined,
): Promise<readonly ElevationRole[]> {
  const query = roles(db).orderBy("r.name");
  const rows = await (namespace === undefined
    ? query.where("r.namespace_id", "is", null)
    : query.where("n.name", "=", namespace)
  ).execute();
  return rows.map(toRoleOf);
}

/** The roles that a user may assume. */
export async function listAssumable(db: Queryable, userId: number): Promise<readonly ElevationRole[]> {
  const rows = await roles(db)
    .where("r.id", "in", roleIdsOf(db, userId, "assume"))
    .orderBy("n.name")
    .orderBy("r.name")
    .execute();
  return rows.map(toRoleOf);
}

/** The ids of the roles that a user may approve by being named, or by a team. */
export async function listApprovableIds(db: Queryable, userId: number): Promise<readonly number[]> {
  return (await roleIdsOf(db, userId, "approve").execute()).map((row) => row.role_id);
}

function roleIdsOf(db: Queryable, userId: number, may: MemberPower) {
  const teams = db.selectFrom("team_members").select("team_id").where("user_id", "=", userId);
  return db
    .selectFrom("elevation_role_members as m")
    .select("m.role_id")
    .where("m.may", "=", may)
    .where(({ eb, or }) => or([eb("m.user_id", "=", userId), eb("m.team_id", "in", teams)]));
}

export async function isMember(
  db: Queryable,
  roleId: number,
  userId: number,
  may: MemberPower,
): Promise<boolean> {
  const row = await roleIdsOf(db, userId, may).where("m.role_id", "=", roleId).limit(1).executeTakeFirst();
  return row !== undefined;
}

export async function listMembers(db: Queryable, roleId: number): Promise<readonly NamedMember[]> {
  const rows = await db
    .selectFrom("elevation_role_members as m")
    .leftJoin("users as u", "u.id", "m.user_id")
    .leftJoin("teams as t", "t.id", "m.team_id")
    .leftJoin("namespaces as n", "n.id", "t.namespace_id")
    .select(["m.may", "u.username", "t.name as team", "n.name as namespace"])
    .where("m.role_id", "=", roleId)
    .orderBy("m.id")
    .execute();
  return rows.map((row) => ({
    may: row.may === "approve" ? "approve" : "assume",
    username: row.username ?? undefined,
    team: row.team === null ? undefined : `${row.namespace}/${row.team}`,
  }));
}

/** The role, which stays as it is until this transaction ends. */
export async function holdRole(tx: Tx, id: number): Promise<ElevationRole | undefined> {
  const held = forShare(tx, tx.selectFrom("elevation_roles").select("id").where("id", "=", id));
  if ((await held.executeTakeFirst()) === undefined) return undefined;
  const row = await roles(tx).where("r.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toRoleOf(row);
}

/** The role, which nobody else changes or uses until this transaction ends. */
export async function lockRole(
  tx: Tx,
  namespaceId: number | undefined,
  name: string,
): Promise<ElevationRole | undefined> {
  const query = tx.selectFrom("elevation_roles").select("id").where("name", "=", name);
  const place =
    namespaceId === undefined
      ? query.where("namespace_id", "is", null)
      : query.where("namespace_id", "=", namespaceId);
  const held = await forUpdate(tx, place).executeTakeFirst();
  if (held === undefined) return undefined;
  const row = await roles(tx).where("r.id", "=", held.id).executeTakeFirst();
  return row === undefined ? undefined : toRoleOf(row);
}

export interface RoleValues {
  readonly description: string;
  readonly isAdministrator: boolean;
  readonly grants: readonly RoleGrant[];
  readonly maxDurationSeconds: number;
  readonly requiresApproval: boolean;
  readonly alertMail: readonly string[];
  readonly alertUrl: string | undefined;
  readonly alertSecret: string | undefined;
}

export async function insertRole(
  tx: Tx,
  role: RoleValues & {
    readonly namespaceId: number | undefined;
    readonly name: string;
    readonly nowMs: number;
    readonly createdBy: string;
  },
): Promise<number> {
  // Only what happens from now on is worth an alert.
  const last = await tx
    .selectFrom("audit_entries")
    .select(sql<number>`coalesce(max(sequence), 0)`.as("sequence"))
    .executeTakeFirst();
  const sequence = last?.sequence ?? 0;
  const row = await tx
    .insertInto("elevation_roles")
    .values({
      namespace_id: role.namespaceId ?? null,
      name: role.name,
      ...columnsOf(role),
      mailed_sequence: sequence,
      posted_sequence: sequence,
      post_failures: 0,
      next_post_at_ms: 0,
      created_at_ms: role.nowMs,
      created_by: role.createdBy,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

export async function updateRole(tx: Tx, id: number, role: RoleValues): Promise<void> {
  await tx.updateTable("elevation_roles").set(columnsOf(role)).where("id", "=", id).execute();
}

export async function replaceMembers(
  tx: Tx,
  roleId: number,
  members: readonly (RoleMember & { readonly may: MemberPower })[],
): Promise<void> {
  await tx.deleteFrom("elevation_role_members").where("role_id", "=", roleId).execute();
  if (members.length === 0) return;
  await tx
    .insertInto("elevation_role_members")
    .values(
      members.map(({ may, userId, teamId }) => ({
        role_id: roleId,
        may,
        user_id: userId ?? null,
        team_id: teamId ?? null,
      })),
    )
    .execute();
}

/** Deletes a role with the elevations to it and the rights that these gave. */
export async function deleteRole(tx: Tx, id: number): Promise<void> {
  const elevations = tx.selectFrom("elevations").select("id").where("role_id", "=", id);
  await tx.deleteFrom("grants").where("elevation_id", "in", elevations).execute();
  await tx.deleteFrom("elevation_roles").where("id", "=", id).execute();
}

function columnsOf(role: RoleValues) {
  return {
    description: role.description,
    is_administrator: role.isAdministrator ? 1 : 0,
    grants: JSON.stringify(role.grants),
    max_duration_seconds: role.maxDurationSeconds,
    requires_approval: role.requiresApproval ? 1 : 0,
    alert_mail: JSON.stringify(role.alertMail),
    alert_url: role.alertUrl ?? null,
    alert_secret: role.alertSecret ?? null,
  };
}

function toRoleOf(row: {
  readonly id: number;
  readonly namespace_id: number | null;
  readonly namespace: string | null;
  readonly name: string;
  readonly description: string;
  readonly is_administrator: number;
  readonly grants: string;
  readonly max_duration_seconds: number;
  readonly requires_approval: number;
  readonly alert_mail: string;
  readonly alert_url: string | null;
  readonly alert_secret: string | null;
  readonly created_at_ms: number;
  readonly created_by: string;
}): ElevationRole {
  // as: `columnsOf` wrote them
  const grants = JSON.parse(row.grants) as readonly { pattern: RepositoryPattern; role: string }[];
  return {
    id: row.id,
    namespaceId: row.namespace_id ?? undefined,
    namespace: row.namespace ?? undefined,
    name: row.name,
    description: row.description,
    isAdministrator: row.is_administrator === 1,
    grants: grants.map(({ pattern, role }) => ({ pattern, role: toRole(role) })),
    maxDurationSeconds: row.max_duration_seconds,
    requiresApproval: row.requires_approval === 1,
    alertMail: JSON.parse(row.alert_mail) as readonly string[], // as: `columnsOf` wrote it
    alertUrl: row.alert_url ?? undefined,
    alertSecret: row.alert_secret ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
  };
}
