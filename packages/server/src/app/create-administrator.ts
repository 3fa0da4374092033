import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { AppError } from "../lib/app-error.ts";
import { newSecret } from "../lib/ids.ts";
import { silentLog } from "../lib/log.ts";
import { openStores } from "./open-stores.ts";

export interface AdministratorOptions {
  readonly configFile?: string;
  readonly username: string;
  /** Absent = generated and told in the answer. */
  readonly password?: string;
  /** Give a user who exists a new password, make them an administrator and enable them: the way back in. */
  readonly reset: boolean;
}

/**
 * Creates an administrator in the database that the configuration names; the registry may be running. `ALREADY_EXISTS` for a name that is taken,
 * unless `reset`.
 */
export async function createAdministrator(
  options: AdministratorOptions,
): Promise<{ readonly username: string; readonly password?: string }> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const stores = await openStores(config, silentLog);
  const { username } = options;
  const password = options.password ?? newSecret().slice(0, 24);
  try {
    try {
      await stores.identity.createUser({ username, password, isAdmin: true });
    } catch (error) {
      if (!options.reset || !(error instanceof AppError) || error.code !== "ALREADY_EXISTS") throw error;
      await stores.identity.resetAdministrator(username, password);
    }
  } finally {
    await stores.close();
  }
  return options.password === undefined ? { username, password } : { username };
}
