import type { DatabaseSync } from "node:sqlite";
import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { AppError } from "../../../lib/app-error.ts";
import { checkedParameters } from "../checked-parameters.ts";
import { translateDatabaseError } from "../database-error.ts";
import { createStatementCache } from "./statement-cache.ts";

const statementCapacity = 500;

/** One connection of node:sqlite as Kysely wants it. Every statement runs to its end before `executeQuery` returns. */
export class SqliteConnection implements DatabaseConnection {
  readonly #db: DatabaseSync;
  readonly #statement: ReturnType<typeof createStatementCache>;
  #transaction: "none" | "open" | "failed" = "none";

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statement = createStatementCache(db, statementCapacity);
  }

  // Kysely's contract asks for a promise and for a row type that only the caller knows.
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#transaction === "failed") throw transactionFailed();
    try {
      return this.#execute<R>(query);
    } catch (error) {
      // As on PostgreSQL, so that code which goes on after an error fails on both: a failed statement fails the transaction.
      if (this.#transaction === "open") this.#transaction = "failed";
      throw translateDatabaseError(error);
    }
  }

  #execute<R>(query: CompiledQuery): QueryResult<R> {
    const { statement, isReader } = this.#statement(query.sql);
    const parameters = checkedParameters(query.parameters);
    // as: R is what the query builder derived from the tables; the driver has no means to check it
    if (isReader) return { rows: statement.all(...parameters) as R[] };
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  /** Not offered: rows that are fetched while others use the connection would need a connection of their own. */
  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported: read page by page");
  }

  /** Throws SQLite's own error, for the caller to tell a busy database. */
  begin(): void {
    this.#db.exec("begin immediate");
    this.#transaction = "open";
  }

  commit(): void {
    if (this.#transaction !== "open") throw transactionFailed();
    // A full disk makes SQLite roll back by itself; COMMIT would then fail with a message about something else.
    if (!this.#db.isTransaction) {
      throw new AppError("UNAVAILABLE", "the database gave up the transaction", { retryAfterSeconds: 5 });
    }
    try {
      this.#db.exec("commit");
    } catch (error) {
      throw translateDatabaseError(error);
    }
    this.#transaction = "none";
  }

  rollback(): void {
    this.#transaction = "none";
    if (this.#db.isTransaction) this.#db.exec("rollback");
  }

  /** For a statement that was refused before it was sent, see `onQuery`. */
  failTransaction(): void {
    if (this.#transaction === "open") this.#transaction = "failed";
  }
}

function transactionFailed(): Error {
  return new Error("the transaction has failed; only a rollback is possible");
}
