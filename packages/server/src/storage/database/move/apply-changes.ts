import type { DatabaseSync } from "node:sqlite";
import { type Changes, checkCapture, readChanges } from "./capture-changes.ts";
import type { MovedTable } from "./moved-table.ts";
import { readRows } from "./read-rows.ts";
import type { TargetTx } from "./target.ts";
import { deleteRows, insertRows } from "./write-rows.ts";

export interface ApplyOptions {
  readonly id: string;
  readonly tables: readonly MovedTable[];
  /** Of the last change that was carried over. */
  readonly afterId: number;
  /** Changes at most; absent = all, and then the target is the source as of one moment. */
  readonly limit?: number | undefined;
}

/**
 * Carries changes over: rows that changed are deleted in the target, and those that are there in the source are inserted as they are now. Deleting
 * all of a table first is what lets rows exchange what is unique. One read transaction in the source, or the caller's own.
 */
export async function applyChanges(
  source: DatabaseSync,
  tx: TargetTx,
  { id, tables, afterId, limit }: ApplyOptions,
): Promise<Changes> {
  const isOwn = !source.isTransaction;
  if (isOwn) source.exec("begin");
  try {
    checkCapture(source, id);
    const changes = readChanges(source, afterId, limit);
    for (const table of tables) {
      const keys = changes.keys.get(table.name);
      if (keys === undefined) continue;
      await deleteRows(tx, table, keys);
      for (const rows of readRows(source, table, keys)) await insertRows(tx, table, rows);
    }
    return changes;
  } finally {
    if (isOwn) source.exec("rollback");
  }
}
