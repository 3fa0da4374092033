import type { DatabaseSync } from "node:sqlite";
import { AppError } from "../../../lib/app-error.ts";
import { movedRefusal, moveTable, readSourceMove, type SourceMove } from "./move-state.ts";
import { type Key, type MovedTable, quoted } from "./moved-table.ts";

const changesTable = `${moveTable}_changes`;

/**
 * From its commit on every row that is inserted, updated or deleted, by whichever process and by cascades too, leaves its key behind; and once the move is
 * marked as done every such statement fails. What an earlier move left behind goes. One short write transaction. `CONFLICT`, and nothing is changed, when the
 * database does not say any more what the caller has found in it (`found`).
 */
export function beginCapture(
  db: DatabaseSync,
  tables: readonly MovedTable[],
  move: Omit<SourceMove, "isMoved">,
  found: SourceMove | undefined,
): void {
  inWriteTransaction(db, () => {
    removeCapture(db, found);
    db.exec(`create table ${moveTable} (id text not null primary key, target text not null, is_moved integer not null) strict;
      create table ${changesTable} (id integer primary key autoincrement, table_name text not null, key text not null) strict`);
    db.prepare(`insert into ${moveTable} (id, target, is_moved) values (?, ?, 0)`).run(move.id, move.target);
    for (const table of tables) {
      for (const operation of ["insert", "update", "delete"] as const) db.exec(triggerOf(table, operation));
    }
  });
}

/** The opposite of `beginCapture`; also opens a database again that was found marked as moved. `CONFLICT` as there. */
export function endCapture(db: DatabaseSync, found: SourceMove): void {
  inWriteTransaction(db, () => removeCapture(db, found));
}

/** `CONFLICT` unless the database still says what was found in it: whoever was about to change that has done so, or has not. */
export function checkFound(db: DatabaseSync, found: SourceMove | undefined): void {
  inWriteTransaction(db, () => refuseOther(db, found));
}

/** What one command has found another may have changed since: a file that has moved in between must stay marked. */
function refuseOther(db: DatabaseSync, found: SourceMove | undefined): void {
  const move = readSourceMove(db);
  if (move?.id === found?.id && move?.isMoved === found?.isMoved) return;
  throw new AppError(
    "CONFLICT",
    "another `entrepot database move` has begun, or has come to its end, meanwhile: run it again",
  );
}

function removeCapture(db: DatabaseSync, found: SourceMove | undefined): void {
  refuseOther(db, found);
  const left = db
    .prepare(
      "select type, name from sqlite_schema where name like ? and type in ('trigger', 'table') order by type desc",
    )
    .all(`${moveTable}%`);
  for (const { type, name } of left) db.exec(`drop ${String(type)} ${quoted(String(name))}`);
}

function triggerOf({ name, key }: MovedTable, operation: "insert" | "update" | "delete"): string {
  const captured = (which: "old" | "new"): string =>
    `select '${name}', json_array(${key.map((column) => `${which}.${quoted(column)}`).join(", ")})`;
  // An update of a key is a row gone and a row come; `union` makes one of two that are the same.
  const rows = {
    insert: captured("new"),
    delete: captured("old"),
    update: `${captured("old")} union ${captured("new")}`,
  };
  return `create trigger ${quoted(`${moveTable}_${name}_${operation}`)} after ${operation} on ${quoted(name)} begin
    select raise(abort, '${movedRefusal}') where exists (select 1 from ${moveTable} where is_moved = 1);
    insert into ${changesTable} (table_name, key) ${rows[operation]};
  end`;
}

/** `CONFLICT` unless this is the move that the database knows: another command may have begun one, or ended this. */
export function checkCapture(db: DatabaseSync, id: string): void {
  if (readSourceMove(db)?.id === id) return;
  throw new AppError("CONFLICT", "another `entrepot database move` has begun, or has ended this one");
}

/** Marks the database as moved: in the transaction that the caller holds, so that nothing is written between the last change that was read and this. */
export function markMoved(db: DatabaseSync, id: string): void {
  checkCapture(db, id);
  db.prepare(`update ${moveTable} set is_moved = 1`).run();
}

/** Keys of changed rows by table, and up to where they go. */
export interface Changes {
  readonly lastId: number;
  /** How often rows changed; fewer rows may have. */
  readonly count: number;
  /** Whether there were no others when they were read. */
  readonly isComplete: boolean;
  readonly keys: ReadonlyMap<string, readonly Key[]>;
}

/** All changes at once are kept in memory, and carried over in one transaction. */
const mostAtOnce = 1_000_000;

/** The changes after one, all or the first `limit`. `CONFLICT` when all are asked for, and are more than a million. */
export function readChanges(db: DatabaseSync, afterId: number, limit?: number): Changes {
  if (limit === undefined && countWaiting(db, afterId) > mostAtOnce) {
    throw new AppError(
      "CONFLICT",
      "more was written meanwhile than can be carried over at once: move at a quieter hour",
    );
  }
  const rows = db
    .prepare(
      `select table_name, key, max(id) as last_id, count(*) as times from
        (select id, table_name, key from ${changesTable} where id > ? order by id limit ?) group by table_name, key`,
    )
    .iterate(afterId, limit ?? -1);
  const keys = new Map<string, Key[]>();
  let lastId = afterId;
  let count = 0;
  for (const row of rows) {
    const table = String(row["table_name"]);
    const known = keys.get(table) ?? [];
    keys.set(table, known);
    // as: the triggers write arrays of the key's columns, which are texts and integers
    known.push(JSON.parse(String(row["key"])) as Key);
    lastId = Math.max(lastId, Number(row["last_id"]));
    count += Number(row["times"]);
  }
  return { lastId, count, isComplete: limit === undefined || count < limit, keys };
}

/** How many changes wait to be carried over. */
export function countWaiting(db: DatabaseSync, afterId: number): number {
  return (
    Number(db.prepare(`select coalesce(max(id), 0) as last from ${changesTable}`).get()?.["last"]) - afterId
  );
}

function inWriteTransaction(db: DatabaseSync, work: () => void): void {
  db.exec("begin immediate");
  try {
    work();
    db.exec("commit");
  } catch (error) {
    if (db.isTransaction) db.exec("rollback");
    throw error;
  }
}
