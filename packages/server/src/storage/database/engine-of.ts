import { PostgresAdapter } from "kysely";
import type { Database, Queryable } from "./database.ts";

/**
 * Which engine a database or a transaction belongs to, for the few statements that must differ. Almost nothing must:
 * prefer SQL that both understand.
 */
export function engineOf(db: Queryable): Database["engine"] {
  return db.getExecutor().adapter instanceof PostgresAdapter ? "postgres" : "sqlite";
}
