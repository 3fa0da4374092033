import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import {
  type MigrationMode,
  type MigrationStatus,
  readMigrationStatus,
} from "../storage/database/migrate.ts";
import { openDatabase } from "../storage/database/open-database.ts";

/**
 * Tells which migrations the configured database has had, after running what is missing where `isWanted`. Registries may be running: migrations are such that the
 * version before works with what they leave. Throws `UNAVAILABLE` when the database cannot be reached, or `isWanted` and it belongs to a newer version.
 */
export async function migrateDatabase(options: {
  readonly configFile?: string;
  readonly isWanted: boolean;
}): Promise<MigrationStatus> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const mode: MigrationMode = options.isWanted ? "auto" : "look";
  const database = await openDatabase({
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolSize: 2,
    acquireTimeoutMs: config.databaseAcquireTimeoutMs,
    log: silentLog,
    migrate: mode,
  });
  try {
    return await readMigrationStatus(database.read);
  } finally {
    await database.close();
  }
}
