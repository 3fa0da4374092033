import type { DatabaseSync } from "node:sqlite";
import { moveTable } from "./move-state.ts";

/** A table of the migrations, as both databases have it. */
export interface MovedTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns of its primary key, in order: every table has one. */
  readonly key: readonly string[];
}

export type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, Value>>;
/** The values of a row's primary key, in the order of `MovedTable.key`. */
export type Key = readonly (string | number)[];

/** All tables but those of SQLite, of the migrator and of the move itself. Throws when one has no primary key: a change of it could not be named. */
export function describeTables(db: DatabaseSync): readonly MovedTable[] {
  const names = db
    .prepare(
      "select name from sqlite_schema where type = 'table' and name not like 'sqlite!_%' escape '!' and name not like 'kysely!_%' escape '!' order by name",
    )
    .all()
    .map((row) => String(row["name"]));
  return names.filter((name) => !name.startsWith(moveTable)).map((name) => describeTable(db, name));
}

function describeTable(db: DatabaseSync, name: string): MovedTable {
  const columns = db.prepare("select name, pk from pragma_table_info(?) order by cid").all(name);
  const key = columns
    .filter((column) => Number(column["pk"]) > 0)
    .toSorted((left, right) => Number(left["pk"]) - Number(right["pk"]))
    .map((column) => String(column["name"]));
  if (key.length === 0) throw new Error(`the table ${name} has no primary key`);
  return { name, columns: columns.map((column) => String(column["name"])), key };
}

/** As both engines write names of tables and columns. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function keyOf(table: MovedTable, row: Row): Key {
  return table.key.map((column) => {
    const value = row[column];
    if (typeof value === "string" || typeof value === "number") return value;
    throw new Error(`a key of the table ${table.name} is neither a text nor a number`);
  });
}

/** One text for each key of a table, the same on both sides. */
export function keyText(key: Key): string {
  return JSON.stringify(key);
}

/** One text for each content of a row. */
export function rowText(table: MovedTable, row: Row): string {
  return JSON.stringify(table.columns.map((column) => jsonOf(row[column])));
}

/** Rows as PostgreSQL's json_populate_recordset reads them: bytes in its hex form. */
export function rowsAsJson(columns: readonly string[], rows: readonly Row[]): string {
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map((column) => [column, jsonOf(row[column])]))),
  );
}

function jsonOf(value: Value | undefined): string | number | null {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  return value ?? null;
}
