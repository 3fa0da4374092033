import { literalPrefixOf } from "@entrepot/oci/path-pattern";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";
import { type ElevationRole, listApprovableIds } from "./elevation-role-store.ts";

export const elevationStates = ["pending", "active", "refused", "ended", "expired"] as const;
export type ElevationState = (typeof elevationStates)[number];

/** A role that somebody has asked for, holds or held. */
export interface Elevation {
  readonly id: number;
  readonly roleId: number;
  readonly userId: number;
  readonly username: string;
  readonly namespace: string | undefined;
  readonly roleName: string;
  readonly state: ElevationState;
  readonly reason: string;
  readonly durationSeconds: number;
  readonly isAdministrator: boolean;
  readonly requestedAtMs: number;
  /** Of the request while it is pending, of the rights while it is active. */
  readonly expiresAtMs: number;
  readonly decidedAtMs: number | undefined;
  readonly decidedBy: string | undefined;
  readonly decisionReason: string | undefined;
  readonly endedAtMs: number | undefined;
  readonly endedBy: string | undefined;
}

/** What an actor is by elevations; the times decide, not the states. */
export interface HeldElevation {
  readonly id: number;
  readonly isAdministrator: boolean;
  readonly expiresAtMs: number;
}

export async function listHeld(db: Queryable, userId: number): Promise<readonly HeldElevation[]> {
  const rows = await db
    .selectFrom("elevations")
    .select(["id", "is_administrator", "expires_at_ms"])
    .where("user_id", "=", userId)
    .where("status", "=", "active")
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    isAdministrator: row.is_administrator === 1,
    expiresAtMs: row.expires_at_ms,
  }));
}

function elevations(db: Queryable) {
  return db
    .selectFrom("elevations as e")
    .innerJoin("users as u", "u.id", "e.user_id")
    .innerJoin("elevation_roles as r", "r.id", "e.role_id")
    .leftJoin("namespaces as n", "n.id", "r.namespace_id")
    .selectAll("e")
    .select(["u.username", "r.name as role", "n.name as namespace"]);
}

export async function findElevation(db: Queryable, id: number): Promise<Elevation | undefined> {
  const row = await elevations(db).where("e.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toElevation(row);
}

/** The elevation as it is until this transaction ends. */
export async function lockElevation(tx: Tx, id: number): Promise<Elevation | undefined> {
  const locked = forUpdate(tx, tx.selectFrom("elevations").select("id").where("id", "=", id));
  return (await locked.executeTakeFirst()) === undefined ? undefined : findElevation(tx, id);
}

/** Whether the user has asked for the role already, or holds it. */
export async function hasOpen(
  tx: Tx,
  open: { readonly roleId: number; readonly userId: number; readonly nowMs: number },
): Promise<boolean> {
  const row = await tx
    .selectFrom("elevations")
    .select("id")
    .where("user_id", "=", open.userId)
    .where("role_id", "=", open.roleId)
    .where("status", "in", ["pending", "active"])
    .where("expires_at_ms", ">", open.nowMs)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Newest first, before the id `last`. `seenBy` = only those that this user holds, may approve, or administers the place of. */
export async function listElevations(
  db: Queryable,
  asked: {
    readonly seenBy: number | undefined;
    readonly state: ElevationState | undefined;
    readonly last: number | undefined;
    readonly limit: number;
  },
): Promise<readonly Elevation[]> {
  const { seenBy, state, last } = asked;
  let query = elevations(db).orderBy("e.id", "desc").limit(asked.limit);
  if (state !== undefined) query = query.where("e.status", "=", state);
  if (last !== undefined) query = query.where("e.id", "<", last);
  if (seenBy !== undefined) {
    const teams = db.selectFrom("team_members").select("team_id").where("user_id", "=", seenBy);
    const administered = db
      .selectFrom("teams")
      .select("namespace_id")
      .where("role", "=", "admin")
      .where("id", "in", teams);
    const approvable = await listApprovableIds(db, seenBy);
    query = query.where(({ eb, or }) =>
      or([
        eb("e.user_id", "=", seenBy),
        ...(approvable.length === 0 ? [] : [eb("e.role_id", "in", approvable)]),
        eb("n.owner_user_id", "=", seenBy),
        eb("r.namespace_id", "in", administered),
      ]),
    );
  }
  return (await query.execute()).map(toElevation);
}

export async function insertElevation(
  tx: Tx,
  elevation: {
    readonly role: ElevationRole;
    readonly userId: number;
    readonly state: "pending" | "active";
    readonly reason: string;
    readonly durationSeconds: number;
    readonly nowMs: number;
    readonly expiresAtMs: number;
  },
): Promise<number> {
  const row = await tx
    .insertInto("elevations")
    .values({
      role_id: elevation.role.id,
      user_id: elevation.userId,
      status: elevation.state,
      reason: elevation.reason,
      duration_seconds: elevation.durationSeconds,
      is_administrator: elevation.role.isAdministrator ? 1 : 0,
      requested_at_ms: elevation.nowMs,
      expires_at_ms: elevation.expiresAtMs,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

/** The rights of an active elevation, which hold until it ends, whatever else happens. */
export async function insertElevatedGrants(
  tx: Tx,
  elevation: {
    readonly id: number;
    readonly role: ElevationRole;
    readonly userId: number;
    readonly nowMs: number;
    readonly expiresAtMs: number;
    readonly createdBy: string;
  },
): Promise<void> {
  const { role } = elevation;
  if (role.grants.length === 0) return;
  await tx
    .insertInto("grants")
    .values(
      role.grants.map((grant) => ({
        namespace_id: role.namespaceId ?? null,
        repository_id: null,
        pattern: grant.pattern,
        prefix: literalPrefixOf(grant.pattern),
        user_id: elevation.userId,
        team_id: null,
        role: grant.role,
        expires_at_ms: elevation.expiresAtMs,
        elevation_id: elevation.id,
        created_at_ms: elevation.nowMs,
        created_by: elevation.createdBy,
      })),
    )
    .execute();
}

export async function decideElevation(
  tx: Tx,
  id: number,
  decision: {
    readonly state: "active" | "refused";
    readonly isAdministrator: boolean;
    readonly expiresAtMs: number;
    readonly nowMs: number;
    readonly by: string;
    readonly reason: string | undefined;
  },
): Promise<void> {
  await tx
    .updateTable("elevations")
    .set({
      status: decision.state,
      is_administrator: decision.isAdministrator ? 1 : 0,
      expires_at_ms: decision.expiresAtMs,
      decided_at_ms: decision.nowMs,
      decided_by: decision.by,
      decision_reason: decision.reason ?? null,
    })
    .where("id", "=", id)
    .execute();
}

/** Ends an elevation and takes its rights back. */
export async function closeElevation(
  tx: Tx,
  id: number,
  end: { readonly state: "ended" | "expired"; readonly nowMs: number; readonly by: string },
): Promise<void> {
  await tx
    .updateTable("elevations")
    .set({ status: end.state, ended_at_ms: end.nowMs, ended_by: end.by })
    .where("id", "=", id)
    .execute();
  await tx.deleteFrom("grants").where("elevation_id", "=", id).execute();
}

/** Elevations whose time is over and which nobody has closed. */
export async function listOverdue(db: Queryable, nowMs: number, limit: number): Promise<readonly number[]> {
  const rows = await db
    .selectFrom("elevations")
    .select("id")
    .where("status", "in", ["pending", "active"])
    .where("expires_at_ms", "<=", nowMs)
    .orderBy("expires_at_ms")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

function toElevation(row: {
  readonly id: number;
  readonly role_id: number;
  readonly user_id: number;
  readonly username: string;
  readonly namespace: string | null;
  readonly role: string;
  readonly status: string;
  readonly reason: string;
  readonly duration_seconds: number;
  readonly is_administrator: number;
  readonly requested_at_ms: number;
  readonly expires_at_ms: number;
  readonly decided_at_ms: number | null;
  readonly decided_by: string | null;
  readonly decision_reason: string | null;
  readonly ended_at_ms: number | null;
  readonly ended_by: string | null;
}): Elevation {
  return {
    id: row.id,
    roleId: row.role_id,
    userId: row.user_id,
    username: row.username,
    namespace: row.namespace ?? undefined,
    roleName: row.role,
    state: elevationStates.find((state) => state === row.status) ?? "ended",
    reason: row.reason,
    durationSeconds: row.duration_seconds,
    isAdministrator: row.is_administrator === 1,
    requestedAtMs: row.requested_at_ms,
    expiresAtMs: row.expires_at_ms,
    decidedAtMs: row.decided_at_ms ?? undefined,
    decidedBy: row.decided_by ?? undefined,
    decisionReason: row.decision_reason ?? undefined,
    endedAtMs: row.ended_at_ms ?? undefined,
    endedBy: row.ended_by ?? undefined,
  };
}
