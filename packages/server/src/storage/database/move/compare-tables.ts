import type { DatabaseSync } from "node:sqlite";
import { type Changes, readChanges } from "./capture-changes.ts";
import { type Key, keyOf, keyText, type MovedTable, type Row, rowText } from "./moved-table.ts";
import { readPage, readRows } from "./read-rows.ts";
import type { TargetTx } from "./target.ts";
import { selectRange, selectRows } from "./write-rows.ts";

/**
 * Compares every row of a table in both databases, page by page while the source changes: what differs must be among the changes after the one up to which
 * the target is. Tells how many rows the target has. Throws when anything else differs: then it must not be used.
 */
export async function compareTable(
  source: DatabaseSync,
  inTarget: <T>(work: (tx: TargetTx) => Promise<T>) => Promise<T>,
  table: MovedTable,
  afterId: number,
): Promise<number> {
  const differing = new Set<string>();
  let count = 0;
  let after: Key | undefined;
  do {
    const page = readPage(source, table, after);
    const range = { after, upTo: page.next };
    const there = await inTarget((tx) => selectRange(tx, table, range));
    count += there.length;
    for (const key of differences(table, page.rows, there)) differing.add(key);
    after = page.next;
  } while (after !== undefined);
  if (differing.size === 0) return count;
  const changed = (readChanges(source, afterId).keys.get(table.name) ?? []).map(keyText);
  for (const key of changed) differing.delete(key);
  refuseDifferences(table, differing);
  return count;
}

/** The same for the rows of some changes, where neither side changes. */
export async function compareChanges(
  source: DatabaseSync,
  tx: TargetTx,
  tables: readonly MovedTable[],
  changes: Changes,
): Promise<void> {
  for (const table of tables) {
    const keys = changes.keys.get(table.name);
    if (keys === undefined) continue;
    const there = await selectRows(tx, table, keys);
    refuseDifferences(table, differences(table, [...readRows(source, table, keys)].flat(), there));
  }
}

function differences(table: MovedTable, rows: readonly Row[], there: readonly Row[]): ReadonlySet<string> {
  const texts = new Map(there.map((row) => [keyText(keyOf(table, row)), rowText(table, row)]));
  const differing = new Set<string>();
  for (const row of rows) {
    const key = keyText(keyOf(table, row));
    if (texts.get(key) !== rowText(table, row)) differing.add(key);
    texts.delete(key);
  }
  for (const key of texts.keys()) differing.add(key);
  return differing;
}

function refuseDifferences(table: MovedTable, keys: ReadonlySet<string>): void {
  const [first] = keys;
  if (first === undefined) return;
  // Of a bug here, or of a target that somebody else writes to. Keys are ids and names, no secrets.
  throw new Error(
    `${keys.size} rows of the table ${table.name} differ after they were copied, the first is ${first}`,
  );
}
