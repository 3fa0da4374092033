import { performance } from "node:perf_hooks";
import type { DatabaseSync } from "node:sqlite";
import { AppError } from "../../../lib/app-error.ts";
import { applyChanges } from "./apply-changes.ts";
import { type Changes, markMoved } from "./capture-changes.ts";
import { compareChanges } from "./compare-tables.ts";
import type { MovedTable } from "./moved-table.ts";
import { checkTarget, type Target, type TargetTx } from "./target.ts";
import { completeTarget } from "./target-schema.ts";

export interface CutOverOptions {
  readonly id: string;
  readonly tables: readonly MovedTable[];
  readonly afterId: number;
  /** Names of the migrations that both databases had when the move began. */
  readonly migrations: string;
  /** How long writers may wait for the end of this; then it is undone. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

export interface CutOver {
  readonly changes: Changes;
  /** For how long nobody could write. */
  readonly heldMs: number;
}

/** It was undone, and may be tried again. */
export class LateCutOver extends AppError {
  constructor(limitMs: number) {
    super("CONFLICT", `the last step took longer than ${limitMs} ms: move at a quieter hour`);
  }
}

/**
 * Takes the write lock of the source, carries the last changes over, commits the target as complete and only then the source as moved. So the source has moved
 * before anybody may use the target, and whatever breaks off before that moment leaves the source as it was. Throws `LateCutOver` after `limitMs`: then
 * the lock is given back, and it may be tried again after `resumeFilling`.
 */
export async function cutOver(
  source: DatabaseSync,
  target: Target,
  options: CutOverOptions,
): Promise<CutOver> {
  const { id, tables, afterId, migrations, limitMs, signal } = options;
  const late = new AbortController();
  source.exec("begin immediate");
  const startedAtMs = performance.now();
  const timer = setTimeout(() => {
    late.abort(new LateCutOver(limitMs));
  }, limitMs);
  try {
    if (readMigrations(source) !== migrations) {
      throw new AppError("CONFLICT", "the database was migrated meanwhile: begin the move again");
    }
    const changes = await target.transaction(
      async (tx) => {
        // The server must not go on, and hold its locks, when nobody waits for it any more.
        await tx.query(`set local statement_timeout = ${limitMs}`);
        await checkTarget(tx, id);
        const applied = await applyChanges(source, tx, { id, tables, afterId });
        await compareChanges(source, tx, tables, applied);
        await continueIds(source, tx, tables);
        await completeTarget(tx);
        return applied;
      },
      { durable: true, signal: AbortSignal.any([signal, late.signal]) },
    );
    markMoved(source, id);
    source.exec("commit");
    return { changes, heldMs: performance.now() - startedAtMs };
  } catch (error) {
    if (source.isTransaction) source.exec("rollback");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

export function readMigrations(source: DatabaseSync): string {
  const rows = source.prepare("select name from kysely_migration order by name").all();
  return rows.map((row) => String(row["name"])).join(" ");
}

/** SQLite remembers the highest id that it ever gave; none is given twice here, either. */
async function continueIds(source: DatabaseSync, tx: TargetTx, tables: readonly MovedTable[]): Promise<void> {
  const given = source
    .prepare("select name, seq from sqlite_sequence where seq > 0")
    .all()
    .filter((row) => tables.some(({ name }) => name === row["name"]));
  if (given.length === 0) return;
  await tx.query(
    `select setval(pg_get_serial_sequence(name, 'id'), seq)
      from json_to_recordset($1::json) as k(name text, seq bigint) where pg_get_serial_sequence(name, 'id') is not null`,
    [JSON.stringify(given)],
  );
}
