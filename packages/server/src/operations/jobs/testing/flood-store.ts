import { sql } from "kysely";
import type { Database, Tx } from "../../../storage/database/database.ts";
import { engineOf } from "../../../storage/database/engine-of.ts";

/** Queues so many jobs of a kind for one namespace at once, as nothing but a test does. */
export async function floodWithJobs(
  database: Database,
  flood: {
    readonly kind: string;
    readonly namespace: string;
    readonly count: number;
    readonly state: string;
  },
): Promise<void> {
  const { kind, namespace, count, state } = flood;
  await database.transaction(async (tx) => {
    await sql`insert into jobs (kind, namespace, priority, payload, state, run_at_ms, attempts, max_attempts, fence,
        is_cancel_wanted, progress_done, created_at_ms, created_by)
      with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ${count})
      select ${kind}, ${namespace}, 0, '{}', ${state}, 0, 0, 3, 0, 0, 0, 0, 'test' from numbers`.execute(tx);
  });
}

/** Lets the planner know what is in the table by now. On SQLite nothing. */
export async function learnJobs(database: Database): Promise<void> {
  if (database.engine === "sqlite") return;
  await sql`analyze jobs`.execute(database.read);
}

/** How many rows of jobs this transaction has looked at in the table; undefined = SQLite does not say. */
export async function countRowsRead(tx: Tx): Promise<number | undefined> {
  if (engineOf(tx) === "sqlite") return undefined;
  const { rows } = await sql<{ count: number }>`select cast(seq_tup_read + idx_tup_fetch as bigint) as count
    from pg_stat_xact_user_tables where relname = 'jobs'`.execute(tx);
  return rows[0]?.count;
}

export async function deleteAllJobs(tx: Tx): Promise<void> {
  await tx.deleteFrom("jobs").execute();
}

/** The least that a transaction can do. */
export async function doNothing(tx: Tx): Promise<void> {
  await sql`select 1`.execute(tx);
}
