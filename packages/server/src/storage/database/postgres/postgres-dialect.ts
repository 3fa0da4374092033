import { createHash } from "node:crypto";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { QueryResult as PgResult, Pool, PoolClient, QueryConfig } from "pg";
import { checkedParameters } from "../checked-parameters.ts";
import {
  connectionLost,
  endsConnection,
  isStaleStatement,
  translateDatabaseError,
} from "../database-error.ts";
import type { Turns } from "../turns.ts";

export interface PostgresDialectOptions {
  readonly pool: Pool;
  /** As many turns as the pool has connections; waiting happens here, where it has a limit of its own. */
  readonly turns: Turns;
  /** The statement, or statements, that begin a transaction. */
  readonly begin: string;
  readonly statements: StatementNames;
  readonly onQuery: ((sql: string) => void) | undefined;
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

class PostgresConnection implements DatabaseConnection {
  readonly #client: PoolClient;
  readonly #options: PostgresDialectOptions;
  #transaction: "none" | "open" | "failed" = "none";
  #isLost = false;

  constructor(client: PoolClient, options: PostgresDialectOptions) {
    this.#client = client;
    this.#options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#transaction === "failed") throw transactionFailed();
    try {
      this.#options.onQuery?.(query.sql);
      const result = await this.#send(this.#prepared(query));
      return {
        // as: R is what the query builder derived from the tables; the driver has no means to check it
        rows: result.rows as R[],
        ...(changesRows(result.command) ? { numAffectedRows: BigInt(result.rowCount ?? 0) } : {}),
      };
    } catch (error) {
      // The server fails the transaction by itself, but not for a statement that was refused here.
      if (this.#transaction === "open") this.#transaction = "failed";
      throw error;
    }
  }

  #prepared({ sql, parameters }: CompiledQuery): QueryConfig {
    const name = this.#options.statements.nameOf(sql, parameters.length);
    const values = checkedParameters(parameters);
    return name === undefined ? { text: sql, values } : { name, text: sql, values };
  }

  /** Not offered, as on SQLite. */
  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported: read page by page");
  }

  async begin(): Promise<void> {
    this.#options.onQuery?.(this.#options.begin);
    try {
      await this.#send({ text: this.#options.begin }); // without parameters it may be several statements
    } catch (error) {
      this.#isLost = true; // Kysely rolls back only what has begun
      throw error;
    }
    this.#transaction = "open";
  }

  async commit(): Promise<void> {
    if (this.#transaction === "failed") throw transactionFailed();
    this.#options.onQuery?.("commit");
    const { command } = await this.#send({ text: "commit" });
    // PostgreSQL answers ROLLBACK to the commit of a transaction in which a statement failed.
    if (command !== "COMMIT") throw transactionFailed();
    this.#transaction = "none";
  }

  /** Never fails: a connection that cannot roll back is closed, and then the server rolls back by itself. */
  async rollback(): Promise<void> {
    this.#transaction = "none";
    if (this.#isLost) return;
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

  async #send(query: QueryConfig): Promise<PgResult> {
    try {
      return await this.#client.query(query);
    } catch (error) {
      if (isStaleStatement(error)) this.#options.statements.renew();
      if (!endsConnection(error)) throw translateDatabaseError(error);
      this.#isLost = true;
      const translated = translateDatabaseError(error);
      throw translated === error ? connectionLost(error) : translated;
    }
  }
}

function transactionFailed(): Error {
  return new Error("the transaction has failed; only a rollback is possible");
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
    await connection.begin();
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
