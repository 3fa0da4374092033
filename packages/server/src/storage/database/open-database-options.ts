import type { Log } from "../../lib/log.ts";
import type { MigrationMode } from "./migrate.ts";

export interface OpenDatabaseOptions {
  /** `sqlite:PATH`, `sqlite::memory:` (private, gone when closed; for tests), or `postgres://USER:PASSWORD@HOST/DATABASE`. */
  readonly url: string;
  /** Holds the password of a PostgreSQL url, which then needs none. Read for each new connection, so that it can change while running. */
  readonly passwordFile?: string | undefined;
  /**
   * Of a standby of the same PostgreSQL, which answers what is read by `Database.readAside`. The same password file, since a standby has the same users. Need not
   * be there when the database is opened.
   */
  readonly replicaUrl?: string | undefined;
  /** Connections at most (PostgreSQL). SQLite has one for writing and one for reading, whatever this says. */
  readonly poolSize: number;
  /** How long a transaction or a read waits for its turn before it fails with `UNAVAILABLE`. */
  readonly acquireTimeoutMs: number;
  readonly log: Log;
  /** What to do about migrations that are missing. Default 'auto'. */
  readonly migrate?: MigrationMode | undefined;
  /** Whether to wait while `entrepot database move` fills the database (PostgreSQL), for as long as it takes; default: it is refused. */
  readonly waitsForMove?: boolean | undefined;
  /** Told of each statement that Kysely has sent, begin and commit aside, and how long it took. Absent = nothing is measured. */
  readonly onStatement?: ((sql: string, durationMs: number, isFailed: boolean) => void) | undefined;
  /**
   * Called before each statement that is sent once the database is open, `begin` and `commit` too; not before a rollback. What it
   * throws is thrown by the statement, which then is not executed. For counting round trips and for testing failures.
   */
  readonly onQuery?: (sql: string) => void;
}
