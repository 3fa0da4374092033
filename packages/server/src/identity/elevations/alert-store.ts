import type { StoredEntry } from "../../activity/audit/audit-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** A role whose doings somebody is told of. */
export interface AlertingRole {
  readonly id: number;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly mail: readonly string[];
  readonly url: string | undefined;
  readonly secret: string | undefined;
  readonly mailedSequence: number;
  readonly postedSequence: number;
  readonly postFailures: number;
  readonly nextPostAtMs: number;
}

export async function listAlertingRoles(db: Queryable): Promise<readonly AlertingRole[]> {
  const rows = await db
    .selectFrom("elevation_roles as r")
    .leftJoin("namespaces as n", "n.id", "r.namespace_id")
    .selectAll("r")
    .select("n.name as namespace")
    .where(({ eb, or }) => or([eb("r.alert_mail", "!=", "[]"), eb("r.alert_url", "is not", null)]))
    .orderBy("r.id")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    namespace: row.namespace ?? undefined,
    mail: JSON.parse(row.alert_mail) as readonly string[], // as: written by saveRole
    url: row.alert_url ?? undefined,
    secret: row.alert_secret ?? undefined,
    mailedSequence: row.mailed_sequence,
    postedSequence: row.posted_sequence,
    postFailures: row.post_failures,
    nextPostAtMs: row.next_post_at_ms,
  }));
}

/** Sealed entries done under elevations, in the order of the chain. */
export async function listElevatedAfter(
  db: Queryable,
  sequence: number,
  limit: number,
): Promise<readonly StoredEntry[]> {
  return db
    .selectFrom("audit_entries")
    .selectAll()
    .where("elevations", "is not", null)
    .where("sequence", ">", sequence)
    .orderBy("sequence")
    .limit(limit)
    .execute();
}

/** Which of the elevations are to the role. */
export async function listElevationsTo(
  db: Queryable,
  roleId: number,
  ids: readonly number[],
): Promise<ReadonlySet<number>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom("elevations")
    .select("id")
    .where("role_id", "=", roleId)
    .where("id", "in", ids)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** False when somebody else has gone further meanwhile. */
export async function advanceMailed(tx: Tx, role: AlertingRole, sequence: number): Promise<boolean> {
  const result = await tx
    .updateTable("elevation_roles")
    .set({ mailed_sequence: sequence })
    .where("id", "=", role.id)
    .where("mailed_sequence", "=", role.mailedSequence)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function advancePosted(
  tx: Tx,
  role: AlertingRole,
  outcome: { readonly sequence: number } | { readonly failures: number; readonly nextPostAtMs: number },
): Promise<void> {
  const values =
    "sequence" in outcome
      ? { posted_sequence: outcome.sequence, post_failures: 0, next_post_at_ms: 0 }
      : { post_failures: outcome.failures, next_post_at_ms: outcome.nextPostAtMs };
  await tx.updateTable("elevation_roles").set(values).where("id", "=", role.id).execute();
}
