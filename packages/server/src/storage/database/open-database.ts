import { AppError } from "../../lib/app-error.ts";
import type { Database } from "./database.ts";
import type { OpenDatabaseOptions } from "./open-database-options.ts";
import { openSqlite } from "./sqlite/open-sqlite.ts";

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
  if (/^postgres(ql)?:\/\//.test(options.url)) {
    // Loaded only where it is used: it costs memory and start-up time.
    const { openPostgres } = await import("./postgres/open-postgres.ts");
    return openPostgres(options);
  }
  throw new AppError(
    "REQUEST_INVALID",
    "a database url begins with sqlite: or postgres://, for example sqlite:/var/lib/entrepot/entrepot.db",
  );
}
