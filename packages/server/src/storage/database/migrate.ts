import { setTimeout as delay } from "node:timers/promises";
import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import { AppError } from "../../lib/app-error.ts";
import type { Log } from "../../lib/log.ts";
import { engineOf } from "./engine-of.ts";
import { allMigrations } from "./migrations/all-migrations.ts";
import { isBeingFilled } from "./move/move-state.ts";
import type { Tables } from "./tables.ts";

/** Any number that nobody else uses for an advisory lock in this database; it stays the same for ever. */
const migrationLock = 7_203_446_177;

/**
 * 'auto' = run what is missing; 'off' = refuse to work with a database that lacks something; 'look' = neither, for those who only want to know; 'mover' = as
 * 'auto', though the database is being filled or has moved: for the move itself.
 */
export type MigrationMode = "auto" | "off" | "look" | "mover";

const lookForFillingMs = 250;

/**
 * What must be done for a mode when a database is opened. `UNAVAILABLE` when it lacks migrations and may not be given them, belongs to a newer version, has
 * moved elsewhere, or is being filled by a move and `waits` is false: true = it is waited for the end of that.
 */
export async function prepareSchema(
  db: Kysely<Tables>,
  log: Log,
  mode: MigrationMode,
  waits = false,
): Promise<void> {
  if (mode === "look") return;
  if (mode === "mover") return migrate(db, log);
  await untilFilled(db, log, waits);
  if (mode === "auto") return migrate(db, log);
  const pending = await pendingMigrations(db);
  if (pending.length === 0) return;
  throw new AppError(
    "UNAVAILABLE",
    `the database lacks ${pending.length} migrations of this version (${pending.join(", ")}), and this process may not run them: run \`entrepot migrate up\``,
  );
}

async function untilFilled(db: Kysely<Tables>, log: Log, waits: boolean): Promise<void> {
  for (let isToBeTold = true; await isBeingFilled(db, log); isToBeTold = false) {
    if (!waits) {
      throw new AppError(
        "UNAVAILABLE",
        "this database is being filled by `entrepot database move`: nobody may use it until that is done, or until it is made anew",
      );
    }
    if (isToBeTold) log.info({}, "waiting until the move into this database is done");
    await delay(lookForFillingMs);
  }
}

/** Which migrations a database has had, and which it lacks; those that this version does not know come last. Changes nothing. */
export interface MigrationStatus {
  readonly done: readonly string[];
  readonly pending: readonly string[];
  readonly unknown: readonly string[];
}

export async function readMigrationStatus(db: Kysely<Tables>): Promise<MigrationStatus> {
  const ran = await executedMigrations(db);
  const known = Object.keys(allMigrations).sort();
  return {
    done: known.filter((name) => ran.includes(name)),
    pending: known.filter((name) => !ran.includes(name)),
    unknown: ran.filter((name) => !known.includes(name)),
  };
}

/**
 * Runs the migrations that the database lacks, all or none. Repeatable and safe to run from several processes at once: the first
 * does the work, the others wait for it. Throws `UNAVAILABLE` when the database was migrated by a newer version of the program.
 */
async function migrate(db: Kysely<Tables>, log: Log): Promise<void> {
  // Almost always there is nothing to do, and then no lock is taken.
  if ((await pendingMigrations(db)).length === 0) return;
  const done = await db.transaction().execute(async (tx) => {
    if (engineOf(tx) === "postgres") await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(tx);
    const pending = await pendingMigrations(tx); // another process may have been faster
    if (pending.length === 0) return pending;
    const migrator = new Migrator({
      db: tx,
      provider: { getMigrations: async () => ({ ...allMigrations }) },
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return pending;
  });
  // A new database has all of them in a moment, and nobody wants to read their names.
  if (done.length === Object.keys(allMigrations).length)
    log.info({ migrations: done.length }, "database made");
  else for (const migration of done) log.info({ migration }, "database migrated");
}

/** Names of the migrations still to run, in order. */
async function pendingMigrations(db: Kysely<Tables>): Promise<readonly string[]> {
  const ran = await executedMigrations(db);
  const unknown = ran.filter((name) => !Object.hasOwn(allMigrations, name));
  if (unknown.length > 0) {
    throw new AppError(
      "UNAVAILABLE",
      `the database was migrated by a newer version of entrepot (${unknown.join(", ")}); start that version, or restore a backup made before`,
    );
  }
  return Object.keys(allMigrations)
    .filter((name) => !ran.includes(name))
    .sort();
}

async function executedMigrations(db: Kysely<Tables>): Promise<readonly string[]> {
  const exists =
    engineOf(db) === "sqlite"
      ? sql`select name from sqlite_schema where type = 'table' and name = 'kysely_migration'`
      : sql`select 1 from pg_class where oid = to_regclass('kysely_migration')`;
  if ((await exists.execute(db)).rows.length === 0) return [];
  return (await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db)).rows.map(
    (row) => row.name,
  );
}
