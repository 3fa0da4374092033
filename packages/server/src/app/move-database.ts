import { stat } from "node:fs/promises";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { AppError } from "../lib/app-error.ts";
import { silentLog } from "../lib/log.ts";
import { checkFillingVersion, readBegunMove } from "../storage/database/move/begun-move.ts";
import {
  abortMove,
  type MoveProgress,
  type MoveReport,
  moveToPostgres,
} from "../storage/database/move/move-to-postgres.ts";
import { type MovePlan, planMove } from "../storage/database/move/plan-move.ts";
import { openTarget, type Target } from "../storage/database/move/target.ts";
import { withoutPassword } from "../storage/database/move/target-address.ts";
import { openDatabase } from "../storage/database/open-database.ts";

export interface MoveDatabaseOptions {
  readonly configFile?: string;
  /** Of the PostgreSQL database; the password in it, or in the configured password file. */
  readonly to: string;
}

/** What will be moved, and whether it can be. Changes nothing. See `planMove`. */
export async function planDatabaseMove(options: MoveDatabaseOptions): Promise<MovePlan> {
  return withBoth(options, ({ file, target }) => planMove(file, target));
}

/** Moves the SQLite database that the configuration names, which a registry may be using, to PostgreSQL. See `moveToPostgres`. */
export async function moveDatabase(
  options: MoveDatabaseOptions & {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: MoveProgress) => void;
  },
): Promise<MoveReport> {
  return withBoth(options, async ({ file, target, address, open }) => {
    // What has moved has only to be opened, as it is: the file refuses migrations, and the tables are not yet where they look for them.
    if (readBegunMove(file)?.isMoved !== true) {
      await checkFillingVersion(target);
      // Opened once, so that the tables of both are those of this version.
      await open(`sqlite:${file}`);
      await open(options.to);
    }
    return moveToPostgres({ ...options, file, target, address });
  });
}

/** Ends a move that was broken off. See `abortMove`. */
export async function abortDatabaseMove(options: MoveDatabaseOptions): Promise<boolean> {
  return withBoth(options, abortMove);
}

interface Both {
  readonly file: string;
  readonly target: Target;
  readonly address: string;
  /** Runs what migrations are missing. */
  readonly open: (url: string) => Promise<void>;
}

async function withBoth<T>(options: MoveDatabaseOptions, work: (both: Both) => Promise<T>): Promise<T> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  if (!config.databaseUrl.startsWith("sqlite:") || !/^postgres(ql)?:\/\//.test(options.to)) {
    throw new AppError("UNSUPPORTED", "a database moves from SQLite to PostgreSQL: --to postgres://…");
  }
  const address = withoutPassword(options.to);
  const file = config.databaseUrl.slice("sqlite:".length);
  // Opening would make one.
  if ((await stat(file).catch(() => undefined)) === undefined) {
    throw new AppError("REQUEST_INVALID", `there is no database at ${file}`);
  }
  const common = {
    acquireTimeoutMs: config.databaseAcquireTimeoutMs,
    passwordFile: config.databasePasswordFile,
    log: silentLog,
  };
  const target = openTarget({ ...common, url: options.to });
  try {
    const open = async (url: string) =>
      (await openDatabase({ ...common, url, poolSize: 1, migrate: "mover" })).close();
    return await work({ file, target, address, open });
  } finally {
    await target.close();
  }
}
