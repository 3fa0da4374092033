import { type Key, type MovedTable, quoted, type Row, rowsAsJson } from "./moved-table.ts";
import { list, tuple } from "./read-rows.ts";
import type { TargetTx } from "./target.ts";

const keysAtOnce = 2_000;

/** One statement with one parameter, however many rows. */
export async function insertRows(tx: TargetTx, table: MovedTable, rows: readonly Row[]): Promise<void> {
  const name = quoted(table.name);
  await tx.query(
    `insert into ${name} (${list(table.columns)})
      select ${list(table.columns)} from json_populate_recordset(null::${name}, $1::json)`,
    [rowsAsJson(table.columns, rows)],
  );
}

/** Deletes those that are there. */
export async function deleteRows(tx: TargetTx, table: MovedTable, keys: readonly Key[]): Promise<void> {
  const name = quoted(table.name);
  const isSame = table.key.map((column) => `t.${quoted(column)} = k.${quoted(column)}`).join(" and ");
  for (let start = 0; start < keys.length; start += keysAtOnce) {
    await tx.query(
      `delete from ${name} t using json_populate_recordset(null::${name}, $1::json) k where ${isSame}`,
      [keysAsJson(table, keys.slice(start, start + keysAtOnce))],
    );
  }
}

/** The rows of these keys that are there, in no order. */
export async function selectRows(
  tx: TargetTx,
  table: MovedTable,
  keys: readonly Key[],
): Promise<readonly Row[]> {
  const name = quoted(table.name);
  const columns = table.columns.map((column) => `t.${quoted(column)}`).join(", ");
  const isSame = table.key.map((column) => `t.${quoted(column)} = k.${quoted(column)}`).join(" and ");
  const found: Row[] = [];
  for (let start = 0; start < keys.length; start += keysAtOnce) {
    const rows = await tx.query(
      `select ${columns} from ${name} t join json_populate_recordset(null::${name}, $1::json) k on ${isSame}`,
      [keysAsJson(table, keys.slice(start, start + keysAtOnce))],
    );
    found.push(...rows.map(asRow));
  }
  return found;
}

/** The rows after one key and up to another, both perhaps absent, in the order of keys. */
export async function selectRange(
  tx: TargetTx,
  table: MovedTable,
  range: { readonly after: Key | undefined; readonly upTo: Key | undefined },
): Promise<readonly Row[]> {
  const values: (string | number)[] = [];
  const place = (key: Key): string => `(${key.map((value) => `$${values.push(value)}`).join(", ")})`;
  const conditions = [
    ...(range.after === undefined ? [] : [`${tuple(table.key)} > ${place(range.after)}`]),
    ...(range.upTo === undefined ? [] : [`${tuple(table.key)} <= ${place(range.upTo)}`]),
  ];
  const where = conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`;
  const rows = await tx.query(
    `select ${list(table.columns)} from ${quoted(table.name)} ${where} order by ${list(table.key)}`,
    values,
  );
  return rows.map(asRow);
}

function keysAsJson(table: MovedTable, keys: readonly Key[]): string {
  return rowsAsJson(
    table.key,
    keys.map((key) => Object.fromEntries(table.key.map((column, index) => [column, key[index] ?? null]))),
  );
}

// as: the columns are texts, integers and bytes, which value-parsers.ts makes the same values as SQLite's
function asRow(row: Readonly<Record<string, unknown>>): Row {
  return row as Row;
}
