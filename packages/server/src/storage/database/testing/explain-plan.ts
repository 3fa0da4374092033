import { CompiledQuery, sql } from "kysely";
import { checkedParameters, type SqlValue } from "../checked-parameters.ts";
import type { Queryable, Tx } from "../database.ts";
import { engineOf } from "../engine-of.ts";

/** Steps of a plan whose cost grows with the tables. */
export const slowSteps = /\bSCAN\b|TEMP B-TREE|AUTOMATIC|Seq Scan|Sort|Bitmap/;

/** The plan's steps, one a line. */
export async function explainPlan(
  db: Queryable,
  query: { readonly sql: string; readonly parameters: readonly unknown[] },
): Promise<string> {
  const { sql: text } = query;
  const parameters = checkedParameters(query.parameters);
  if (engineOf(db) === "sqlite") {
    const explained = CompiledQuery.raw(`explain query plan ${text}`, [...parameters]);
    const { rows } = await db.executeQuery<{ detail: string }>(explained);
    return rows.map((row) => row.detail).join("\n");
  }
  return explainPrepared(db, text, parameters);
}

/** The plan that PostgreSQL makes for any parameters, which it uses for prepared statements after some executions. */
async function explainPrepared(
  db: Queryable,
  text: string,
  parameters: readonly SqlValue[],
): Promise<string> {
  await sql.raw(`prepare explained as ${text}`).execute(db);
  const values = parameters.map((value) =>
    typeof value === "string" ? `'${value}'` : JSON.stringify(value),
  );
  const call = `explained${values.length > 0 ? `(${values.join(", ")})` : ""}`;
  const { rows } = await sql<{ "QUERY PLAN": string }>`explain (costs off) execute ${sql.raw(call)}`.execute(
    db,
  );
  await sql`deallocate explained`.execute(db);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

/**
 * Plans of the rest of the transaction are made as for large tables. A few hundred rows fit into a few pages, which PostgreSQL rightly scans; here the
 * question is whether it has to.
 */
export async function planAsForManyRows(tx: Tx): Promise<void> {
  if (engineOf(tx) === "sqlite") return;
  await updateStatistics(tx);
  await sql`set local enable_seqscan = off`.execute(tx);
  await sql`set local enable_bitmapscan = off`.execute(tx);
  await sql`set local plan_cache_mode = force_generic_plan`.execute(tx);
}

/** As PostgreSQL does it by itself some time after rows were written. */
export async function updateStatistics(db: Queryable): Promise<void> {
  if (engineOf(db) === "postgres") await sql`analyze`.execute(db);
}
