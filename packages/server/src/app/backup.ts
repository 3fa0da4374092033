import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { storageKeysOf } from "../config/storage-settings.ts";
import { AppError } from "../lib/app-error.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { type BackupOptions, type BackupReport, createBackup } from "../operations/backup/create-backup.ts";
import { type RestoreReport, restoreBackup } from "../operations/backup/restore-backup.ts";
import { openBlobStore } from "../storage/blob-store/open-blob-store.ts";
import { openStores } from "./open-stores.ts";
import { programVersion } from "./program-version.ts";

export type BackupCommand = BackupOptions & { readonly configFile?: string };

/** Backs up the registry that the configuration names, which may be running. See `createBackup`. `UNSUPPORTED` where the database is PostgreSQL. */
export async function backup(options: BackupCommand): Promise<BackupReport> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const databaseFile = sqliteFileOf(config);
  // Opening would make one.
  if ((await stat(databaseFile).catch(() => undefined)) === undefined) {
    throw new AppError("REQUEST_INVALID", `there is no database at ${databaseFile}`);
  }
  const stores = await openStores(config, silentLog);
  try {
    const keyFile = config.secretKey === undefined ? keyFileOf(config) : undefined;
    return await createBackup(
      { ...stores, databaseFile, secretKeyFile: keyFile, version: programVersion },
      options,
    );
  } finally {
    await stores.close();
  }
}

/** Restores a backup to where the configuration says; no registry may be running there. See `restoreBackup`. */
export async function restore(options: BackupCommand): Promise<RestoreReport> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const databaseFile = sqliteFileOf(config);
  const blobs = await openBlobStore(config.storageUrl, systemClock, storageKeysOf(config));
  try {
    const deps = { databaseFile, blobs, clock: systemClock, secretKeyFile: keyFileOf(config) };
    return await restoreBackup(deps, options);
  } finally {
    await blobs.close();
  }
}

function keyFileOf(config: Config): string {
  return join(config.dataDir, "secret.key");
}

function sqliteFileOf(config: Config): string {
  if (config.databaseUrl.startsWith("sqlite:")) return config.databaseUrl.slice("sqlite:".length);
  throw new AppError(
    "UNSUPPORTED",
    "this backs up SQLite; for PostgreSQL use its own tools, in the order that docs/guide/backup.md tells",
  );
}
