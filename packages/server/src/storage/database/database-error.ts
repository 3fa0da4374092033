import { AppError } from "../../lib/app-error.ts";
import { movedRefusal, movedSentence } from "./move/move-state.ts";

/*
 * The only place that understands the engines' errors.
 * SQLite: https://www.sqlite.org/rescode.html (the low byte is the primary code).
 * PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

const sqliteUnique: readonly number[] = [2067, 1555, 2579]; // CONSTRAINT_UNIQUE, _PRIMARYKEY, _ROWID
const sqliteForeignKey: readonly number[] = [787, 1811]; // CONSTRAINT_FOREIGNKEY; _TRIGGER is how RESTRICT reports
const postgresForeignKey: readonly string[] = ["23503", "23001"]; // foreign_key_violation, restrict_violation

/** Whether a row was refused because its key is taken. After it the transaction can only be rolled back. */
export function isUniqueViolation(error: unknown): boolean {
  const sqlite = sqliteErrorCode(error);
  if (sqlite !== undefined) return sqliteUnique.includes(sqlite);
  return isPostgresError(error) && error.code === "23505"; // unique_violation
}

/**
 * Whether a row was refused because what it refers to is not there, or because something refers to it. After it the transaction
 * can only be rolled back.
 */
export function isForeignKeyViolation(error: unknown): boolean {
  const sqlite = sqliteErrorCode(error);
  if (sqlite !== undefined) return sqliteForeignKey.includes(sqlite);
  return isPostgresError(error) && postgresForeignKey.includes(error.code ?? "");
}

/** Whether the transaction failed only because of others that ran at the same time, so that the same work may succeed now. */
export function isConcurrencyFailure(error: unknown): boolean {
  if (!isPostgresError(error)) return false;
  return error.code === "40001" || error.code === "40P01" || isStaleStatement(error); // serialization_failure, deadlock_detected
}

/** Whether a prepared statement was made before a migration changed what it returns; preparing it again helps. */
export function isStaleStatement(error: unknown): boolean {
  return isPostgresError(error) && error.code === "0A000" && error.message.includes("cached plan");
}

/** Whether another process holds SQLite's write lock. */
export function isSqliteBusy(error: unknown): boolean {
  const code = sqliteErrorCode(error);
  return code !== undefined && (code & 0xff) === 5;
}

/**
 * The engine's error as a caller can be told: `STORAGE_FULL`, `UNAVAILABLE` or `OVERLOADED`. What says something about the
 * statement (a constraint, a deadlock, wrong SQL) and what is no engine error comes back unchanged.
 */
export function translateDatabaseError(error: unknown): unknown {
  const sqlite = sqliteErrorCode(error);
  if (sqlite !== undefined) return translateSqlite(error, sqlite);
  return isPostgresError(error) ? translatePostgres(error) : error;
}

/** The connection broke, or could not be made: nobody knows whether the statement, or a commit, was carried out. */
export function connectionLost(cause: unknown): AppError {
  return unavailable("the database does not answer", cause);
}

function translateSqlite(error: unknown, code: number): unknown {
  switch (code & 0xff) {
    case 13: // FULL
      return new AppError("STORAGE_FULL", "the disk that holds the database is full", { cause: error });
    case 5: // BUSY
    case 6: // LOCKED
      return unavailable("another process is using the database file", error);
    case 7: // NOMEM
    case 10: // IOERR
    case 14: // CANTOPEN
    case 8: // READONLY
      return unavailable("the database file cannot be read or written", error);
    case 11: // CORRUPT
    case 26: // NOTADB
      return unavailable("the database file is damaged or is not a database", error);
    case 19: // CONSTRAINT, as triggers report
      // Other instances answer, once the balancer knows.
      return isMovedRefusal(error) ? unavailable(movedSentence, error) : error;
    default:
      return error;
  }
}

function isMovedRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.includes(movedRefusal);
}

function translatePostgres(error: PostgresError): unknown {
  const code = error.code ?? "";
  if (code === "53100") {
    return new AppError("STORAGE_FULL", "the disk of the database server is full", { cause: error });
  }
  if (code === "53300") {
    return new AppError("OVERLOADED", "the database server accepts no more connections", {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
  if (code === "57014" || code === "55P03") return unavailable("the database took too long", error); // query_canceled, lock_not_available
  if (code.startsWith("28")) return unavailable("the database refuses the user or the password", error);
  // connection exceptions, insufficient resources, operator intervention, system errors, no such database, and
  // read_only_sql_transaction: the server has become a standby
  if (/^(08|53|57|58|3D)/.test(code) || code === "25006" || code === "25P03") return connectionLost(error);
  return error;
}

/** Whether the connection must not be used again after this error. */
export function endsConnection(error: unknown): boolean {
  if (isPostgresError(error)) return /^(08|57P|25006|25P03)/.test(error.code ?? "");
  // pg reports lost sockets and its own timeouts as plain errors. A RangeError is ours: a value that was refused.
  return !(error instanceof RangeError);
}

function unavailable(message: string, cause: unknown): AppError {
  return new AppError("UNAVAILABLE", message, { cause, retryAfterSeconds: 5 });
}

/** SQLite's extended result code; undefined when the error is not SQLite's. */
function sqliteErrorCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SQLITE_ERROR") return undefined;
  return "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

/** What PostgreSQL reported; told by its form, so that the driver is loaded only where PostgreSQL is used. */
type PostgresError = Error & { readonly code?: string; readonly severity: string };

function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof Error && "severity" in error && typeof error.severity === "string";
}
