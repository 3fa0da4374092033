import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** What was done in one repository on one day (UTC). */
export interface Usage {
  /** Days since the epoch. */
  readonly day: number;
  readonly repository: string;
  readonly pulls: number;
  readonly pushes: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export interface CredentialUsage extends Usage {
  readonly accessTokenId: number;
}

/** First and last day, both included. */
export interface DayRange {
  readonly from: number;
  readonly to: number;
}

const rowsAtOnce = 200;
/** More than anybody reads; a narrower range has the rest. */
const maxRows = 10_000;

/** Adds to what was counted before. Credentials that are gone are passed over. */
export async function addUsage(tx: Tx, rows: readonly CredentialUsage[]): Promise<void> {
  // One order for all instances, so that they never wait for one another in a circle.
  const ordered = rows.toSorted(
    (one, other) =>
      one.accessTokenId - other.accessTokenId ||
      one.day - other.day ||
      Number(one.repository > other.repository) - Number(one.repository < other.repository),
  );
  for (let start = 0; start < ordered.length; start += rowsAtOnce) {
    const part = ordered.slice(start, start + rowsAtOnce);
    const ids = [...new Set(part.map(({ accessTokenId }) => accessTokenId))];
    const there = await tx.selectFrom("access_tokens").select("id").where("id", "in", ids).execute();
    const known = new Set(there.map(({ id }) => id));
    const values = part
      .filter(({ accessTokenId }) => known.has(accessTokenId))
      .map((row) => ({
        access_token_id: row.accessTokenId,
        day: row.day,
        repository: row.repository,
        pulls: row.pulls,
        pushes: row.pushes,
        bytes_out: row.bytesOut,
        bytes_in: row.bytesIn,
      }));
    if (values.length === 0) continue;
    await tx
      .insertInto("credential_usage")
      .values(values)
      .onConflict((conflict) =>
        conflict.columns(["access_token_id", "day", "repository"]).doUpdateSet((eb) => ({
          pulls: eb("credential_usage.pulls", "+", eb.ref("excluded.pulls")),
          pushes: eb("credential_usage.pushes", "+", eb.ref("excluded.pushes")),
          bytes_out: eb("credential_usage.bytes_out", "+", eb.ref("excluded.bytes_out")),
          bytes_in: eb("credential_usage.bytes_in", "+", eb.ref("excluded.bytes_in")),
        })),
      )
      .execute();
  }
}

/** By day and repository, latest day first. */
export async function usageOfCredential(
  db: Queryable,
  accessTokenId: number,
  days: DayRange,
): Promise<readonly Usage[]> {
  const rows = await sums(db, days).where("cu.access_token_id", "=", accessTokenId).execute();
  return rows.map(toUsage);
}

/** The sum over all credentials of an issuer that have the label; without a label, over all of them. */
export async function usageOfIssuer(
  db: Queryable,
  issuerUserId: number,
  label: { readonly name: string; readonly value: string } | undefined,
  days: DayRange,
): Promise<readonly Usage[]> {
  const rows = await sums(db, days)
    .where("cu.access_token_id", "in", (eb) => {
      const tokens = eb
        .selectFrom("access_tokens as t")
        .innerJoin("users as u", "u.id", "t.user_id")
        .select("t.id")
        .where("u.issuer_user_id", "=", issuerUserId);
      if (label === undefined) return tokens;
      return tokens.where("u.id", "in", (inner) =>
        inner
          .selectFrom("issued_labels")
          .select("user_id")
          .where("issuer_user_id", "=", issuerUserId)
          .where("name", "=", label.name)
          .where("value", "=", label.value),
      );
    })
    .execute();
  return rows.map(toUsage);
}

/** Removes what was counted before a day. */
export async function pruneUsage(tx: Tx, beforeDay: number): Promise<void> {
  await tx.deleteFrom("credential_usage").where("day", "<", beforeDay).execute();
}

function sums(db: Queryable, days: DayRange) {
  return db
    .selectFrom("credential_usage as cu")
    .select([
      "cu.day",
      "cu.repository",
      // PostgreSQL sums 64-bit integers to numeric, which the driver would hand on as text.
      sql<number>`cast(sum(cu.pulls) as bigint)`.as("pulls"),
      sql<number>`cast(sum(cu.pushes) as bigint)`.as("pushes"),
      sql<number>`cast(sum(cu.bytes_out) as bigint)`.as("bytes_out"),
      sql<number>`cast(sum(cu.bytes_in) as bigint)`.as("bytes_in"),
    ])
    .where("cu.day", ">=", days.from)
    .where("cu.day", "<=", days.to)
    .groupBy(["cu.day", "cu.repository"])
    .orderBy("cu.day", "desc")
    .orderBy("cu.repository")
    .limit(maxRows);
}

function toUsage(row: {
  readonly day: number;
  readonly repository: string;
  readonly pulls: number;
  readonly pushes: number;
  readonly bytes_out: number;
  readonly bytes_in: number;
}): Usage {
  return {
    day: row.day,
    repository: row.repository,
    pulls: Number(row.pulls),
    pushes: Number(row.pushes),
    bytesOut: Number(row.bytes_out),
    bytesIn: Number(row.bytes_in),
  };
}
