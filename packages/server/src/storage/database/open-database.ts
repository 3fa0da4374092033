import { AppError } from "../../lib/app-error.ts";
import type { Log } from "../../lib/log.ts";
import type { Database } from "./database.ts";
import { openPostgres } from "./postgres/open-postgres.ts";
import { openSqlite } from "./sqlite/open-sqlite.ts";

export interface OpenDatabaseOptions {
  /** `sqlite:PATH`, `sqlite::memory:` (private, gone when closed; for tests), or `postgres://USER:PASSWORD@HOST/DATABASE`. */
  readonly url: string;
  /** Connections at most (PostgreSQL). SQLite has one for writing and one for reading, whatever this says. */
  readonly poolSize: number;
  /** How long a transaction or a read waits for its turn before it fails with `OVERLOADED`. */
  readonly acquireTimeoutMs: number;
  readonly log: Log;
  /**
   * Called before each statement that is sent once the database is open, `begin` and `commit` too; not before a rollback. What it
   * throws is thrown by the statement, which then is not executed. For counting round trips and for testing failures.
   */
  readonly onQuery?: (sql: string) => void;
}

/**
 * Opens the database and brings its tables up to date; several processes may do so at once. Throws `REQUEST_INVALID` for a
 * url that is not of the documented form and `UNAVAILABLE` when the database cannot be reached or belongs to a newer version of
 * the program. No message contains the url's password.
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  if (options.url.startsWith("sqlite:")) {
    const path = options.url.slice("sqlite:".length);
    if (path !== "" && !path.startsWith("//") && !path.includes("\0")) return openSqlite(path, options);
    throw new AppError(
      "REQUEST_INVALID",
      "a SQLite database url is sqlite:PATH, for example sqlite:/var/lib/entrepot/entrepot.db",
    );
  }
  if (/^postgres(ql)?:\/\//.test(options.url)) return openPostgres(options);
  throw new AppError(
    "REQUEST_INVALID",
    "a database url begins with sqlite: or postgres://, for example sqlite:/var/lib/entrepot/entrepot.db",
  );
}
