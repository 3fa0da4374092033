import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface TeamBinding {
  readonly teamId: number;
  readonly namespace: string;
  readonly team: string;
  readonly group: string;
}

export async function listBindings(db: Queryable, providerId: number): Promise<readonly TeamBinding[]> {
  const rows = await db
    .selectFrom("team_bindings as b")
    .innerJoin("teams as t", "t.id", "b.team_id")
    .innerJoin("namespaces as n", "n.id", "t.namespace_id")
    .select(["b.team_id", "n.name as namespace", "t.name as team", "b.group_name"])
    .where("b.provider_id", "=", providerId)
    .orderBy("n.name")
    .orderBy("t.name")
    .orderBy("b.group_name")
    .execute();
  return rows.map((row) => ({
    teamId: row.team_id,
    namespace: row.namespace,
    team: row.team,
    group: row.group_name,
  }));
}

/** Teams that groups of the provider fill. */
export async function listBoundTeams(db: Queryable, providerId: number): Promise<readonly number[]> {
  const rows = await db
    .selectFrom("team_bindings")
    .select("team_id")
    .where("provider_id", "=", providerId)
    .distinct()
    .execute();
  return rows.map((row) => row.team_id);
}

function wantedMemberships(db: Queryable) {
  return db
    .selectFrom("team_bindings as b")
    .innerJoin("identities as i", "i.provider_id", "b.provider_id")
    .innerJoin("identity_groups as g", (join) =>
      join.onRef("g.identity_id", "=", "i.id").onRef("g.name", "=", "b.group_name"),
    )
    .where("i.lost_at_ms", "is", null);
}

export async function findTeamId(
  db: Queryable,
  team: { readonly namespace: string; readonly team: string },
): Promise<number | undefined> {
  const row = await db
    .selectFrom("teams as t")
    .innerJoin("namespaces as n", "n.id", "t.namespace_id")
    .select("t.id")
    .where("n.name", "=", team.namespace)
    .where("t.name", "=", team.team)
    .executeTakeFirst();
  return row?.id;
}

interface Binding {
  readonly teamId: number;
  readonly providerId: number;
  readonly group: string;
}

/** False when the team was bound to it before. */
export async function insertBinding(tx: Tx, binding: Binding, nowMs: number): Promise<boolean> {
  const row = await tx
    .insertInto("team_bindings")
    .values({
      team_id: binding.teamId,
      provider_id: binding.providerId,
      group_name: binding.group,
      created_at_ms: nowMs,
    })
    .onConflict((conflict) => conflict.columns(["team_id", "provider_id", "group_name"]).doNothing())
    .returning("team_id")
    .executeTakeFirst();
  return row !== undefined;
}

/** False when it was not bound. */
export async function deleteBinding(tx: Tx, binding: Binding): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("team_bindings")
    .where("team_id", "=", binding.teamId)
    .where("provider_id", "=", binding.providerId)
    .where("group_name", "=", binding.group)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/**
 * Makes the memberships that providers look after what the groups of all identities say, for one user or one team; those that were made by hand stay
 * as they are. Changed = how many were added and removed.
 */
export async function settleMemberships(
  tx: Tx,
  of: { readonly userId: number } | { readonly teamId: number },
  nowMs: number,
): Promise<{ readonly added: number; readonly removed: number }> {
  const wanted = wantedMemberships(tx);
  const ofWhom =
    "userId" in of ? wanted.where("i.user_id", "=", of.userId) : wanted.where("b.team_id", "=", of.teamId);
  const held = tx.deleteFrom("team_members").where("origin", "=", "sync");
  const surplus =
    "userId" in of
      ? held.where("user_id", "=", of.userId).where("team_id", "not in", ofWhom.select("b.team_id"))
      : held.where("team_id", "=", of.teamId).where("user_id", "not in", ofWhom.select("i.user_id"));
  const { numDeletedRows } = await surplus.executeTakeFirst();
  const added = await tx
    .insertInto("team_members")
    .columns(["team_id", "user_id", "origin", "added_at_ms"])
    .expression(
      ofWhom
        .select([
          "b.team_id",
          "i.user_id",
          sql<string>`'sync'`.as("origin"),
          sql<number>`cast(${nowMs} as bigint)`.as("added_at_ms"),
        ])
        .distinct(),
    )
    .onConflict((conflict) => conflict.columns(["team_id", "user_id"]).doNothing())
    .returning("user_id")
    .execute();
  return { added: added.length, removed: Number(numDeletedRows) };
}
