import type { DatabaseSync } from "node:sqlite";
import { type Key, keyOf, type MovedTable, quoted, type Row, type Value } from "./moved-table.ts";

const maxRows = 4_000;
const maxBytes = 1_000_000;

export interface Page {
  readonly rows: readonly Row[];
  /** The key of the last row; undefined when nothing follows this page. */
  readonly next: Key | undefined;
}

/** The rows after a key, in the order of keys: at most four thousand and about a megabyte, one row at least. One read transaction of a few milliseconds. */
export function readPage(db: DatabaseSync, table: MovedTable, after: Key | undefined): Page {
  const condition =
    after === undefined ? "" : `where ${tuple(table.key)} > (${after.map(() => "?").join(", ")})`;
  const statement = db.prepare(
    `select ${list(table.columns)} from ${quoted(table.name)} ${condition} order by ${list(table.key)} limit ${maxRows}`,
  );
  const rows: Row[] = [];
  let bytes = 0;
  for (const found of statement.iterate(...(after ?? []))) {
    const row = rowOf(table, found);
    rows.push(row);
    bytes += sizeOf(row);
    if (bytes >= maxBytes) break;
  }
  const last = rows.at(-1);
  const isFull = rows.length === maxRows || bytes >= maxBytes;
  return { rows, next: isFull && last !== undefined ? keyOf(table, last) : undefined };
}

/** The rows of these keys that are there, in batches of the size of a page. */
export function* readRows(
  db: DatabaseSync,
  table: MovedTable,
  keys: readonly Key[],
): Generator<readonly Row[]> {
  const condition = table.key.map((column) => `${quoted(column)} = ?`).join(" and ");
  const statement = db.prepare(`select ${list(table.columns)} from ${quoted(table.name)} where ${condition}`);
  let rows: Row[] = [];
  let bytes = 0;
  for (const key of keys) {
    const found = statement.get(...key);
    if (found === undefined) continue;
    const row = rowOf(table, found);
    rows.push(row);
    bytes += sizeOf(row);
    if (rows.length < maxRows && bytes < maxBytes) continue;
    yield rows;
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0) yield rows;
}

/** Names of columns as a list, and as a tuple that can be compared. */
export function list(columns: readonly string[]): string {
  return columns.map(quoted).join(", ");
}

export function tuple(columns: readonly string[]): string {
  return `(${list(columns)})`;
}

function rowOf(table: MovedTable, found: Readonly<Record<string, unknown>>): Row {
  return Object.fromEntries(table.columns.map((column) => [column, valueOf(table, found[column])]));
}

function valueOf(table: MovedTable, value: unknown): Value {
  if (value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array)
    return value;
  throw new Error(`the table ${table.name} has a value of a kind that is not expected`);
}

function sizeOf(row: Row): number {
  let size = 0;
  for (const value of Object.values(row)) {
    size += typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
  }
  return size;
}
