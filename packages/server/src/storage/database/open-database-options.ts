import type { Log } from "../../lib/log.ts";

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
