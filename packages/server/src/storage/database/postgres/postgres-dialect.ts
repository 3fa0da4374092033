import { createHash } from "node:crypto";
import {
  type CompiledQuery,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { Pool, PoolClient } from "pg";
import { AppError } from "../../../lib/app-error.ts";
import { checkedParameters } from "../checked-parameters.ts";
import {
  connectionLost,
  endsConnection,
  isStaleStatement,
  translateDatabaseError,
} from "../database-error.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import type { FlightConnection } from "../send-together.ts";
import type { Turns } from "../turns.ts";
import { type FlightResult, type FlightStatement, sendFlight, UnreadableResult } from "./statement-flight.ts";
import type { SilenceWatch } from "./watch-silence.ts";

export interface PostgresDialectOptions {
  readonly pool: Pool;
  /** As many turns as the pool has connections; waiting happens here, where it has a limit of its own. */
  readonly turns: Turns;
  /** The statements that begin a transaction. */
  readonly begin: readonly string[];
  readonly statements: StatementNames;
  readonly onQuery: ((sql: string) => void) | undefined;
  /** Told of each statement of a flight; Kysely tells of the others. */
  readonly onStatement: OpenDatabaseOptions["onStatement"];
  /** Ends connections that will never answer; absent = their statements wait for their limit. */
  readonly silence?: SilenceWatch;
}

export function createPostgresDialect(options: PostgresDialectOptions): Dialect {
  return {
    createAdapter: () => new EntrepotPostgresAdapter(),
    createDriver: () => new PostgresDriver(options),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}

class EntrepotPostgresAdapter extends PostgresAdapter {
  /** `migrate` holds a lock of its own before Kysely asks for one. */
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

/** Which statements are prepared under which name. */
export interface StatementNames {
  /** The name for a text with so many parameters; undefined when it is not worth one. */
  nameOf(sql: string, parameterCount: number): string | undefined;
  /** Makes every statement be prepared anew, after a migration changed what one returns. */
  renew(): void;
}

/**
 * Names the first `capacity` texts. The server keeps named statements as long as the connection lives, so lists of varying
 * length must not each get one: texts with more than `maxParameters` get none.
 */
export function createStatementNames(capacity: number, maxParameters: number): StatementNames {
  const names = new Map<string, string>();
  let generation = 0;
  return {
    nameOf(sql, parameterCount) {
      const known = names.get(sql);
      if (known !== undefined) return known;
      if (names.size >= capacity || parameterCount > maxParameters) return undefined;
      const name = `e${generation}_${createHash("sha256").update(sql).digest("base64url").slice(0, 22)}`;
      names.set(sql, name);
      return name;
    },
    renew() {
      generation += 1;
      names.clear();
    },
  };
}

/**
 * `begun`: by Kysely, but the server has not been told yet: that goes with the first statements. `committed`: with the last statements, before
 * Kysely asks for it.
 */
type TransactionState = "none" | "begun" | "open" | "failed" | "committed";

class PostgresConnection implements FlightConnection {
  readonly #client: PoolClient;
  readonly #options: PostgresDialectOptions;
  #transaction: TransactionState = "none";
  /** Whether the server may be in a transaction. */
  #isServerInside = false;
  #isLost = false;

  constructor(client: PoolClient, options: PostgresDialectOptions) {
    this.#client = client;
    this.#options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const [result] = await this.#fly([query], false);
    if (result === undefined) throw new Error("the database answered no result");
    return {
      // as: R is what the query builder derived from the tables; the driver has no means to check it
      rows: result.rows as R[],
      ...(changesRows(result.command) ? { numAffectedRows: BigInt(result.rowCount) } : {}),
    };
  }

  async executeTogether(
    queries: readonly CompiledQuery[],
    thenCommit: boolean,
  ): Promise<readonly (readonly unknown[])[]> {
    const startMs = performance.now();
    let isFailed = true;
    try {
      const results = await this.#fly(queries, thenCommit);
      isFailed = false;
      return results.map((result) => result.rows);
    } finally {
      const durationMs = performance.now() - startMs;
      for (const { sql } of queries) this.#options.onStatement?.(sql, durationMs, isFailed);
    }
  }

  /** One round trip: what is left of `begin`, the statements and, when asked for, `commit`. The results are those of the statements. */
  async #fly(queries: readonly CompiledQuery[], thenCommit: boolean): Promise<readonly FlightResult[]> {
    if (this.#transaction === "failed") throw transactionFailed();
    if (this.#transaction === "committed") throw new Error("the transaction has been committed");
    const begins = this.#transaction === "begun" ? this.#options.begin.map(plain) : [];
    try {
      for (const { sql } of queries) this.#options.onQuery?.(sql);
      if (thenCommit) this.#options.onQuery?.("commit");
      const statements = queries.map((query) => this.#prepared(query));
      if (begins.length > 0) this.#isServerInside = true;
      const sent = [...begins, ...statements, ...(thenCommit ? [plain("commit")] : [])];
      const results = await this.#send(sent);
      if (begins.length > 0) this.#transaction = "open";
      if (thenCommit) this.#committed(results.at(-1));
      return results.slice(begins.length, begins.length + queries.length);
    } catch (error) {
      if (error instanceof UnreadableResult && this.#isCarriedOut(error, thenCommit)) throw resultLost(error);
      // The server fails the transaction by itself, but not for a statement that was refused here.
      if (this.#transaction !== "none") this.#transaction = "failed";
      throw error;
    }
  }

  /** Whether the server has made changes that no rollback takes back, though their results are lost. */
  #isCarriedOut({ results }: UnreadableResult, thenCommit: boolean): boolean {
    if (this.#transaction === "none") return results.some(({ command }) => changesRows(command));
    if (!thenCommit || results.at(-1)?.command !== "COMMIT") return false;
    this.#isServerInside = false;
    this.#transaction = "committed";
    return true;
  }

  #committed(result: FlightResult | undefined): void {
    this.#isServerInside = false;
    // PostgreSQL answers ROLLBACK to the commit of a transaction in which a statement failed.
    if (result?.command !== "COMMIT") throw transactionFailed();
    this.#transaction = "committed";
  }

  #prepared({ sql, parameters }: CompiledQuery): FlightStatement {
    const name = this.#options.statements.nameOf(sql, parameters.length);
    return { name, text: sql, values: checkedParameters(parameters) };
  }

  /** Not offered, as on SQLite. */
  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported: read page by page");
  }

  begin(): void {
    for (const text of this.#options.begin) this.#options.onQuery?.(text);
    this.#transaction = "begun";
  }

  async commit(): Promise<void> {
    if (this.#transaction === "failed") throw transactionFailed();
    if (this.#transaction === "open") await this.#fly([], true);
    this.#transaction = "none"; // one without statements was never told to the server
  }

  /** Never fails: a connection that cannot roll back is closed, and then the server rolls back by itself. */
  async rollback(): Promise<void> {
    this.#transaction = "none";
    if (this.#isLost || !this.#isServerInside) return;
    this.#isServerInside = false;
    try {
      await this.#client.query("rollback");
    } catch {
      this.#isLost = true;
    }
  }

  /** Back to the pool, or closed when it cannot be used again. */
  release(): void {
    this.#client.release(this.#isLost);
  }

  async #send(statements: readonly FlightStatement[]): Promise<readonly FlightResult[]> {
    const answered = this.#options.silence?.sent(this.#client);
    try {
      return await sendFlight(this.#client, statements);
    } catch (error) {
      if (isStaleStatement(error)) this.#options.statements.renew();
      if (!endsConnection(error)) throw translateDatabaseError(error);
      this.#isLost = true;
      const translated = translateDatabaseError(error);
      throw translated === error ? connectionLost(error) : translated;
    } finally {
      answered?.();
    }
  }
}

function plain(text: string): FlightStatement {
  return { name: undefined, text, values: [] };
}

function transactionFailed(): Error {
  return new Error("the transaction has failed; only a rollback is possible");
}

/** Trying again would do it twice, so it must not look like a failure that had no effect. */
function resultLost(cause: UnreadableResult): AppError {
  const sentence =
    "the change was made, but what the database answered to it cannot be read; do not repeat it";
  return new AppError("INTERNAL", sentence, { cause });
}

function changesRows(command: string): boolean {
  return command === "INSERT" || command === "UPDATE" || command === "DELETE" || command === "MERGE";
}

class PostgresDriver implements Driver {
  readonly #options: PostgresDialectOptions;

  constructor(options: PostgresDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    await this.#options.turns.acquire();
    try {
      return new PostgresConnection(await this.#options.pool.connect(), this.#options);
    } catch (error) {
      this.#options.turns.release();
      const translated = translateDatabaseError(error);
      // pg reports what prevented a connection as errors of many kinds.
      throw translated === error ? connectionLost(error) : translated;
    }
  }

  async releaseConnection(connection: PostgresConnection): Promise<void> {
    connection.release();
    this.#options.turns.release();
  }

  async beginTransaction(connection: PostgresConnection): Promise<void> {
    connection.begin();
  }

  async commitTransaction(connection: PostgresConnection): Promise<void> {
    await connection.commit();
  }

  async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    await connection.rollback();
  }

  /** The pool belongs to whoever opened it. */
  async destroy(): Promise<void> {}
}
