import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { AppError } from "../../lib/app-error.ts";
import type { Database, Tx } from "./database.ts";

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
}

const parametersAtOnce = 20_000;
const rowsAtOnce = 500;

/**
 * Copies every table of a SQLite file, as of one moment, into a PostgreSQL database whose tables are there and empty: all in one transaction, or nothing. Both must have the
 * tables of this version. Afterwards the numbers of rows are compared, and ids go on where they were. `CONFLICT` when the target has content, or when
 * anybody has written to the file meanwhile; then nothing is changed and it may be repeated.
 */
export async function copyToPostgres(file: string, target: Database): Promise<readonly CopiedTable[]> {
  const source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    const version = () => source.prepare("pragma data_version").get()?.["data_version"];
    const before = version();
    source.exec("begin");
    const tables = tablesOf(source);
    const copied = await target.transaction(async (tx) => {
      await checkEmpty(tx);
      await suspendForeignKeys(tx);
      const counts: CopiedTable[] = [];
      for (const table of tables) counts.push({ table, rows: await copyTable(source, tx, table) });
      await sql`set constraints all immediate`.execute(tx);
      await restoreForeignKeys(tx);
      await compare(tx, counts);
      // The transaction of the reading ends, so that the number tells of others.
      source.exec("commit");
      if (version() !== before) {
        throw new AppError(
          "CONFLICT",
          "the database was written to while it was copied: stop the registry first",
        );
      }
      return counts;
    });
    return copied;
  } finally {
    source.close();
  }
}

function tablesOf(source: DatabaseSync): readonly string[] {
  return source
    .prepare(
      "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'kysely_%' order by name",
    )
    .all()
    .map((row) => String(row["name"]));
}

async function checkEmpty(tx: Tx): Promise<void> {
  for (const table of ["users", "repositories", "audit_entries"] as const) {
    const row = await sql`select 1 from ${sql.table(table)} limit 1`.execute(tx);
    if (row.rows.length > 0) {
      throw new AppError(
        "CONFLICT",
        `the target database has content already: the table ${table} is not empty`,
      );
    }
  }
}

/** Tables refer to each other in circles, and no order of copying suits all: the keys are checked at the end. */
async function suspendForeignKeys(tx: Tx): Promise<void> {
  for (const { table, name } of await foreignKeys(tx)) {
    await sql`alter table ${sql.table(table)} alter constraint ${sql.ref(name)} deferrable initially deferred`.execute(
      tx,
    );
  }
}

async function restoreForeignKeys(tx: Tx): Promise<void> {
  for (const { table, name } of await foreignKeys(tx)) {
    await sql`alter table ${sql.table(table)} alter constraint ${sql.ref(name)} not deferrable`.execute(tx);
  }
}

async function foreignKeys(tx: Tx): Promise<readonly { readonly table: string; readonly name: string }[]> {
  const { rows } = await sql<{ table: string; name: string }>`
    select c.relname as table, k.conname as name from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and k.connamespace = current_schema()::regnamespace`.execute(tx);
  return rows;
}

async function copyTable(source: DatabaseSync, tx: Tx, table: string): Promise<number> {
  // What migrations have put there is in the source, too.
  await sql`delete from ${sql.table(table)}`.execute(tx);
  const statement = source.prepare(`select * from "${table}"`);
  const columns = statement.columns().map(({ name }) => name);
  const limit = Math.max(1, Math.min(rowsAtOnce, Math.floor(parametersAtOnce / columns.length)));
  let copied = 0;
  let page: unknown[][] = [];
  const write = async (): Promise<void> => {
    if (page.length === 0) return;
    const names = sql.join(columns.map((column) => sql.ref(column)));
    const values = sql.join(page.map((row) => sql`(${sql.join(row)})`));
    await sql`insert into ${sql.table(table)} (${names}) values ${values}`.execute(tx);
    copied += page.length;
    page = [];
  };
  for (const row of statement.iterate()) {
    page.push(columns.map((column) => row[column]));
    if (page.length === limit) await write();
  }
  await write();
  if (columns.includes("id")) await continueIds(source, tx, table);
  return copied;
}

/** SQLite remembers the highest id that it ever gave; none is given twice here, either. */
async function continueIds(source: DatabaseSync, tx: Tx, table: string): Promise<void> {
  const given = source.prepare("select seq from sqlite_sequence where name = ?").get(table)?.["seq"];
  if (typeof given !== "number" || given === 0) return;
  await sql`select setval(pg_get_serial_sequence(${table}, 'id'), ${given})`.execute(tx);
}

async function compare(tx: Tx, counts: readonly CopiedTable[]): Promise<void> {
  for (const { table, rows } of counts) {
    const found = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(tx);
    const count = Number(found.rows[0]?.count);
    if (count !== rows) throw new Error(`the table ${table} has ${count} rows after the copy, not ${rows}`);
  }
}
