import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** Where sealed secrets lie. `label` is what the context of the seal is made from. */
export const sealedPlaces = [
  { table: "sign_in_providers", key: "id", column: "secrets", label: "name" },
  { table: "totp_seeds", key: "user_id", column: "seed", label: "user_id" },
  { table: "elevation_roles", key: "id", column: "alert_secret", label: "id" },
  { table: "decision_points", key: "id", column: "secret", label: "name" },
  { table: "audit_forwarders", key: "id", column: "secret", label: "name" },
  { table: "facts", key: "name", column: "value", label: "name" },
  { table: "mails", key: "id", column: "sealed_data", label: "kind || ' ' || recipient" },
] as const;
export type SealedPlace = (typeof sealedPlaces)[number];

export interface SealedRow {
  readonly key: string | number;
  readonly label: string;
  readonly sealed: string;
}

/** Secrets that are sealed with another key than that of the fingerprint, by key after `after`. */
export async function listSealedOtherwise(
  db: Queryable,
  place: SealedPlace,
  query: { readonly present: string; readonly after: string | number | undefined; readonly limit: number },
): Promise<readonly SealedRow[]> {
  const [key, column] = [sql.ref(place.key), sql.ref(place.column)];
  const after = query.after === undefined ? sql`` : sql`and ${key} > ${query.after}`;
  const { rows } = await sql<{ key: string | number; label: string | number; sealed: string }>`
    select ${key} as key, ${sql.raw(place.label)} as label, ${column} as sealed from ${sql.table(place.table)}
    where ${column} like 'v1.%' and ${column} not like ${`v1.${query.present}.%`} ${after}
    order by ${key} limit ${sql.lit(query.limit)}`.execute(db);
  return rows.map((row) => ({ ...row, label: String(row.label) }));
}

export async function countSealedOtherwise(
  db: Queryable,
  place: SealedPlace,
  present: string,
): Promise<number> {
  const column = sql.ref(place.column);
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from ${sql.table(place.table)}
    where ${column} like 'v1.%' and ${column} not like ${`v1.${present}.%`}`.execute(db);
  return Number(rows[0]?.count ?? 0);
}

/** Puts the new seal in place of the old one, unless somebody else has changed it meanwhile. */
export async function replaceSeal(
  tx: Tx,
  place: SealedPlace,
  row: SealedRow,
  sealed: string,
): Promise<boolean> {
  const column = sql.ref(place.column);
  const result = await sql`
    update ${sql.table(place.table)} set ${column} = ${sealed}
    where ${sql.ref(place.key)} = ${row.key} and ${column} = ${row.sealed}`.execute(tx);
  return (result.numAffectedRows ?? 0n) > 0n;
}

/** Secrets of credentials, sessions and invitations that were hashed before: they are recognised by an older key only. */
export async function countHashedBefore(
  db: Queryable,
  sinceMs: number,
  nowMs: number,
): Promise<{ readonly credentials: number; readonly sessions: number }> {
  const credentials = await db
    .selectFrom("access_token_secrets")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("is_legacy", "=", 0)
    .where("created_at_ms", "<", sinceMs)
    .where(({ or, eb }) => or([eb("expires_at_ms", "is", null), eb("expires_at_ms", ">", nowMs)]))
    .executeTakeFirstOrThrow();
  const sessions = await db
    .selectFrom("sessions")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("created_at_ms", "<", sinceMs)
    .executeTakeFirstOrThrow();
  return { credentials: Number(credentials.count), sessions: Number(sessions.count) };
}
