import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { AppError } from "../lib/app-error.ts";
import { silentLog } from "../lib/log.ts";
import { type CopiedTable, copyToPostgres } from "../storage/database/copy-to-postgres.ts";
import { openDatabase } from "../storage/database/open-database.ts";

/** Copies the SQLite database that the configuration names to PostgreSQL. The registry must be stopped. See `copyToPostgres`. */
export async function moveDatabase(options: {
  readonly configFile?: string;
  readonly to: string;
}): Promise<readonly CopiedTable[]> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  if (!config.databaseUrl.startsWith("sqlite:") || !/^postgres(ql)?:\/\//.test(options.to)) {
    throw new AppError("UNSUPPORTED", "a database moves from SQLite to PostgreSQL: --to postgres://…");
  }
  const common = { acquireTimeoutMs: config.databaseAcquireTimeoutMs, log: silentLog };
  // Opened once, so that its tables are those of this version.
  await (await openDatabase({ ...common, url: config.databaseUrl, poolSize: 1 })).close();
  const target = await openDatabase({
    ...common,
    url: options.to,
    passwordFile: config.databasePasswordFile,
    poolSize: 2,
  });
  try {
    return await copyToPostgres(config.databaseUrl.slice("sqlite:".length), target);
  } finally {
    await target.close();
  }
}
