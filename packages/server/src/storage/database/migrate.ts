import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import { AppError } from "../../lib/app-error.ts";
import type { Log } from "../../lib/log.ts";
import { engineOf } from "./engine-of.ts";
import { allMigrations } from "./migrations/all-migrations.ts";
import type { Tables } from "./tables.ts";

/** Any number that nobody else uses for an advisory lock in this database; it stays the same for ever. */
const migrationLock = 7_203_446_177;

/**
 * Runs the migrations that the database lacks, all or none. Repeatable and safe to run from several processes at once: the first
 * does the work, the others wait for it. Throws `UNAVAILABLE` when the database was migrated by a newer version of the program.
 */
export async function migrate(db: Kysely<Tables>, log: Log): Promise<void> {
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
  for (const migration of done) log.info({ migration }, "database migrated");
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
