import type { DatabaseSync } from "node:sqlite";
import { type Kysely, sql } from "kysely";
import { AppError } from "../../../lib/app-error.ts";
import type { Log } from "../../../lib/log.ts";
import { engineOf } from "../engine-of.ts";
import type { Tables } from "../tables.ts";

/*
 * What a move leaves in the two databases, beside the tables of the migrations; README.md has the whole. In both a table of this name, with one row:
 * on SQLite (id, target, is_moved), on PostgreSQL (id, state).
 */
export const moveTable = "database_move";

/** What a write in a database that has moved fails with, inside SQLite; `translateDatabaseError` knows it. */
export const movedRefusal = "the database has moved to PostgreSQL";

/** What clients and watchers are told then. Without the address, which is nobody's business. */
export const movedSentence =
  "this registry's database has moved to PostgreSQL, and this process still has the old one: start it with ENTREPOT_DATABASE_URL=postgres://…";

/** A move as SQLite knows it. */
export interface SourceMove {
  readonly id: string;
  /** Where to, without a password. */
  readonly target: string;
  readonly isMoved: boolean;
}

/** The move that has begun, or is done, in this SQLite database; undefined = none. */
export function readSourceMove(db: DatabaseSync): SourceMove | undefined {
  const exists = db
    .prepare(`select 1 from sqlite_schema where type = 'table' and name = '${moveTable}'`)
    .get();
  if (exists === undefined) return undefined;
  const row = db.prepare(`select id, target, is_moved from ${moveTable}`).get();
  if (row === undefined) return undefined;
  return { id: String(row["id"]), target: String(row["target"]), isMoved: row["is_moved"] === 1 };
}

/** Whether the database has moved, as far as can be told now. Some ten microseconds. Never throws: whoever writes is refused anyway. */
export function hasMoved(db: DatabaseSync): boolean {
  try {
    return readSourceMove(db)?.isMoved === true;
  } catch {
    return false;
  }
}

/**
 * Refuses to work with what has moved, or is being filled by a move. `isFilled` false = it may be used; true = a move fills it, and whoever
 * waits may look again. `UNAVAILABLE` with what to do about it when a SQLite database has moved.
 */
export async function isBeingFilled(db: Kysely<Tables>, log: Log): Promise<boolean> {
  if (engineOf(db) === "postgres") {
    const found = await sql`select 1 from pg_class where oid = to_regclass('${sql.raw(moveTable)}')`.execute(
      db,
    );
    return found.rows.length > 0;
  }
  const exists = await sql`select 1 from sqlite_schema where type = 'table' and name = ${moveTable}`.execute(
    db,
  );
  if (exists.rows.length === 0) return false;
  const { rows } = await sql<{ target: string; is_moved: number }>`
    select target, is_moved from ${sql.table(moveTable)}`.execute(db);
  const [move] = rows;
  if (move?.is_moved === 1) {
    throw new AppError(
      "UNAVAILABLE",
      `this database has moved to PostgreSQL: start with ENTREPOT_DATABASE_URL=${move.target} (and its password); docs/guide/move.md has more`,
    );
  }
  if (move !== undefined) {
    const hint = "if no such command runs, `entrepot database move --abort` ends it";
    log.warn({ target: move.target, hint }, "a move of this database to PostgreSQL has begun");
  }
  return false;
}
