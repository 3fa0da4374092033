import { AppError } from "../../../lib/app-error.ts";
import { moveTable } from "./move-state.ts";
import { type MovedTable, quoted } from "./moved-table.ts";
import { fillingSchema, longStatementMs, type Target, type TargetRow, type TargetTx } from "./target.ts";

/** What was taken away for the time of the filling, with what makes it again. It outlives the command that took it away. */
const withheldTable = `${moveTable}_withheld`;
/** In `facts`, of a database that was filled: by which move. */
export const movedFact = "moved-from-sqlite";

/** No database that anybody has used is without rows in one of these. */
export const contentTables = ["users", "repositories", "audit_entries"] as const;

/** What the source knew when this move began. */
export interface EarlierMove {
  readonly id: string;
  readonly confirm: () => void;
}

type Kind = "foreign key" | "unique" | "index";

/**
 * Makes the target ready to be filled: marked, so that no instance uses it, empty, and without foreign keys, indexes and guards, which would refuse what is
 * only half there. Repeatable, after a move that was broken off, too. `CONFLICT` when it has content that no move has brought, or a move into it is
 * complete that this one is not the next try of (`earlier`). `earlier.confirm` throws when that one has marked the source as moved meanwhile.
 */
export async function prepareTarget(
  target: Target,
  tables: readonly MovedTable[],
  { id, earlier }: { readonly id: string; readonly earlier: EarlierMove | undefined },
): Promise<void> {
  await target.transaction(
    async (tx) => {
      await checkColumns(tx, tables);
      const [marker] = await tx.query("select to_regclass($1) is not null as there", [moveTable]);
      if (marker?.["there"] === 1) await checkMarker(tx, earlier);
      else await checkEmpty(tx);
      const schema = quoted(await instancesSchema(tx));
      await tx.query(
        `create table if not exists ${schema}.${moveTable} (id text not null primary key, state text not null)`,
      );
      await tx.query(`create table if not exists ${schema}.${withheldTable} (kind text not null, table_name text not null,
        name text not null, definition text not null, primary key (table_name, name))`);
      await tx.query(`delete from ${moveTable}`);
      await tx.query(`insert into ${moveTable} (id, state) values ($1, 'filling')`, [id]);
      await setSchema(tx, tables, fillingSchema);
      for (const kind of ["foreign key", "unique", "index"] as const) await withhold(tx, tables, kind);
      await setGuards(tx, "disable");
      await tx.query(`truncate ${tables.map(({ name }) => quoted(name)).join(", ")}`);
    },
    { durable: true },
  );
}

/** In which instances look for their tables. */
async function instancesSchema(tx: TargetTx): Promise<string> {
  const [row] = await tx.query(
    "select schema from unnest(current_schemas(false)) with ordinality as s(schema, place) where schema <> $1 order by place limit 1",
    [fillingSchema],
  );
  const schema = row?.["schema"];
  return typeof schema === "string" ? schema : "public";
}

/** Indexes, keys and the sequences of ids go with their table. */
async function setSchema(
  tx: TargetTx,
  tables: readonly { readonly name: string }[],
  schema: string,
): Promise<void> {
  if (schema === fillingSchema) await tx.query(`create schema if not exists ${fillingSchema}`);
  await tx.query(
    tables.map(({ name }) => `alter table ${quoted(name)} set schema ${quoted(schema)}`).join("; "),
  );
}

async function checkColumns(tx: TargetTx, tables: readonly MovedTable[]): Promise<void> {
  const rows = await tx.query(
    "select table_name, column_name from information_schema.columns where table_schema = current_schema()",
  );
  for (const { name, columns } of tables) {
    const there = rows.filter((row) => row["table_name"] === name).map((row) => String(row["column_name"]));
    if (there.toSorted().join() === columns.toSorted().join()) continue;
    throw new AppError(
      "UNSUPPORTED",
      `the table ${name} is not the same in both databases: are both of this version?`,
    );
  }
}

async function checkMarker(tx: TargetTx, earlier: EarlierMove | undefined): Promise<void> {
  const [row] = await tx.query(`select id, state from ${moveTable} for update`);
  if (row === undefined || row["state"] === "filling") return;
  // Whoever completes a target holds the source's write lock until the source is marked.
  if (row["id"] === earlier?.id) return earlier?.confirm();
  throw new AppError(
    "CONFLICT",
    "another database has been moved into the target, and that move waits to be ended: end it, or make the target anew",
  );
}

/** The locks are kept: an instance that starts in this moment and wants to write waits, and then finds the marker. */
async function checkEmpty(tx: TargetTx): Promise<void> {
  await tx.query(`lock table ${contentTables.join(", ")} in access exclusive mode`);
  for (const table of contentTables) {
    const rows = await tx.query(`select 1 from ${table} limit 1`);
    if (rows.length === 0) continue;
    throw new AppError(
      "CONFLICT",
      `the target database has content already: the table ${table} is not empty`,
    );
  }
}

/** Takes away all of a kind that there is. */
async function withhold(tx: TargetTx, tables: readonly MovedTable[], kind: Kind): Promise<void> {
  const found = (await tx.query(queries[kind])).filter((row) =>
    tables.some(({ name }) => name === row["table_name"]),
  );
  if (found.length === 0) return;
  await tx.query(
    `insert into ${withheldTable} (kind, table_name, name, definition)
      select $1, table_name, name, definition from json_to_recordset($2::json) as k(table_name text, name text, definition text)
      on conflict do nothing`,
    [kind, JSON.stringify(found)],
  );
  await tx.query(found.map((row) => removal(kind, row)).join("; "));
}

const queries: Readonly<Record<Kind, string>> = {
  "foreign key": `select c.relname as table_name, k.conname as name, pg_get_constraintdef(k.oid) as definition
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and k.connamespace = current_schema()::regnamespace`,
  unique: `select c.relname as table_name, k.conname as name, pg_get_constraintdef(k.oid) as definition
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'u' and k.connamespace = current_schema()::regnamespace`,
  index: `select c.relname as table_name, i.relname as name, pg_get_indexdef(x.indexrelid) as definition
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
    where c.relnamespace = current_schema()::regnamespace
      and not exists (select 1 from pg_constraint k where k.conindid = x.indexrelid and k.conrelid = x.indrelid)`,
};

function removal(kind: Kind, row: TargetRow): string {
  const name = quoted(String(row["name"]));
  if (kind === "index") return `drop index ${name}`;
  return `alter table ${quoted(String(row["table_name"]))} drop constraint ${name}`;
}

/** Makes unique keys and indexes again, one after the other. The rows must be those of one moment. */
export async function restoreIndexes(tx: TargetTx, onIndex: (name: string) => void): Promise<void> {
  const rows = await tx.query(
    `select kind, table_name, name, definition from ${withheldTable} where kind <> 'foreign key' order by kind desc, name`,
  );
  for (const row of rows) {
    onIndex(String(row["name"]));
    await tx.query(row["kind"] === "index" ? String(row["definition"]) : constraint(row));
  }
  await tx.query("analyze");
}

/** Foreign keys for whatever is written from now on; what is there is checked now, or later by `validateForeignKeys`. */
export async function restoreForeignKeys(tx: TargetTx, check: "now" | "later"): Promise<void> {
  const rows = await tx.query(
    `select table_name, name, definition from ${withheldTable} where kind = 'foreign key' order by name`,
  );
  const statements = rows.map((row) => (check === "now" ? constraint(row) : `${constraint(row)} not valid`));
  if (statements.length > 0) await tx.query(statements.join("; "));
}

function constraint(row: TargetRow): string {
  const name = quoted(String(row["name"]));
  return `alter table ${quoted(String(row["table_name"]))} add constraint ${name} ${String(row["definition"])}`;
}

class Rehearsed extends Error {}

/** Throws when a row refers to one that is not there. Leaves nothing behind. */
export async function rehearseForeignKeys(target: Target): Promise<void> {
  try {
    await target.transaction(
      async (tx) => {
        await restoreForeignKeys(tx, "now");
        throw new Rehearsed();
      },
      { durable: false },
    );
  } catch (error) {
    if (!(error instanceof Rehearsed)) throw error;
  }
}

/** As the target was before a cut-over that did not come to its end. */
export async function resumeFilling(tx: TargetTx, tables: readonly MovedTable[]): Promise<void> {
  await tx.query(`update ${moveTable} set state = 'filling'`);
  await withhold(tx, tables, "foreign key");
  await setGuards(tx, "disable");
}

/** Everything is there, but nobody may use it yet. */
export async function completeTarget(tx: TargetTx): Promise<void> {
  await restoreForeignKeys(tx, "later");
  await setGuards(tx, "enable");
  await tx.query(`update ${moveTable} set state = 'complete'`);
}

/** From its commit on instances use it. Repeatable. Tells whether it is this move that has filled it. */
export async function openFilled(target: Target, id: string): Promise<boolean> {
  return target.transaction(
    async (tx) => {
      const [marker] = await tx.query("select to_regclass($1) is not null as there", [moveTable]);
      if (marker?.["there"] !== 1) {
        const [fact] = await tx.query("select value from facts where name = $1", [movedFact]);
        return fact?.["value"] === id;
      }
      const [row] = await tx.query(`select id, state from ${moveTable} for update`);
      if (row?.["id"] !== id || row["state"] !== "complete") return false;
      await tx.query(
        "insert into facts (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value",
        [movedFact, id],
      );
      const there = await tx.query("select tablename from pg_tables where schemaname = $1", [fillingSchema]);
      await setSchema(
        tx,
        there.map((table) => ({ name: String(table["tablename"]) })),
        await instancesSchema(tx),
      );
      await tx.query(`drop schema ${fillingSchema}`);
      await tx.query(`drop table ${withheldTable}, ${moveTable}`);
      return true;
    },
    { durable: true },
  );
}

/**
 * So that nobody can open it any more. `in use`: instances may use it already, or have used it. `unknown`: nothing there tells of this move; so it may be in use
 * elsewhere.
 */
export async function giveUpTarget(target: Target, id: string): Promise<"given up" | "in use" | "unknown"> {
  return target.transaction(
    async (tx) => {
      const [marker] = await tx.query("select to_regclass($1) is not null as there", [moveTable]);
      if (marker?.["there"] === 1) {
        const rows = await tx.query(`update ${moveTable} set state = 'filling' where id = $1 returning id`, [
          id,
        ]);
        return rows.length > 0 ? "given up" : "unknown";
      }
      const [facts] = await tx.query("select to_regclass('facts') is not null as there");
      if (facts?.["there"] !== 1) return "unknown";
      const [fact] = await tx.query("select value from facts where name = $1", [movedFact]);
      return fact?.["value"] === id ? "in use" : "unknown";
    },
    { durable: true, statementLimitMs: longStatementMs },
  );
}

/** Checks the foreign keys of what was copied, while instances work. Repeatable. */
export async function validateForeignKeys(target: Target): Promise<void> {
  const rows = await target.transaction(
    (tx) =>
      tx.query(`select c.relname as table_name, k.conname as name from pg_constraint k
        join pg_class c on c.oid = k.conrelid
        where k.contype = 'f' and not k.convalidated and k.connamespace = current_schema()::regnamespace`),
    { durable: false },
  );
  for (const row of rows) {
    const statement = `alter table ${quoted(String(row["table_name"]))} validate constraint ${quoted(String(row["name"]))}`;
    await target.transaction((tx) => tx.query(statement), { durable: true });
  }
}

/** The triggers of our own, such as keep the audit log append-only. */
async function setGuards(tx: TargetTx, what: "enable" | "disable"): Promise<void> {
  const rows =
    await tx.query(`select distinct c.relname as table_name from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace`);
  for (const row of rows) {
    await tx.query(`alter table ${quoted(String(row["table_name"]))} ${what} trigger user`);
  }
}
