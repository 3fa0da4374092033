import { createHash } from "node:crypto";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { Pool, PoolClient, QueryResult as PgResult } from "pg";
import { checkedParameters } from "../checked-parameters.ts";
import { connectionLost, endsConnection, isStaleStatement, translateDatabaseError } from "../database-error.ts";
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
  /** The name for a text; undefined when it is not worth one. */
  nameOf(sql: string): string | undefined;
  /** Makes every statement be prepared anew, after a migration changed what one returns. */
  renew(): void;
}

/**
 * Names the first `capacity` texts. The server keeps named statements as long as the connection lives, so lists of varying
 * length must not each get one: texts longer than `maxLength` characters get none.
 */
export function createStatementNames(capacity: number, maxLength: number): StatementNames {
  const names = new Map<string, string>();
  let generation = 0;
  return {
    nameOf(sql) {
      const known = names.get(sql);
      if (known !== undefined) return known;
      if (names.size >= capacity || sql.length > maxLength) return undefined;
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
  #isLost = false;

  constructor(client: PoolClient, options: PostgresDialectOptions) {
    this.#client = client;
    this.#options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    this.#options.onQuery?.(query.sql);
    const result = await this.send(query);
    return {
      // as: R is what the query builder derived from the tables; the driver has no means to check it
      rows: result.rows as R[],
      ...(changesRows(result.command) ? { numAffectedRows: BigInt(result.rowCount ?? 0) } : {}),
    };
  }

  async send(query: CompiledQuery): Promise<PgResult> {
    const { sql, parameters } = query;
    const values = checkedParameters(parameters);
    const name = this.#options.statements.nameOf(sql);
    try {
      return await this.#client.query(name === undefined ? { text: sql, values } : { name, text: sql, values });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Sends text without parameters, which may be several statements. */
  async sendPlain(text: string): Promise<PgResult> {
    try {
      return await this.#client.query(text);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Not offered, as on SQLite. */
  // biome-ignore lint/correctness/useYield: it always throws
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported: read page by page");
  }

  announce(sql: string): void {
    this.#options.onQuery?.(sql);
  }

  /** Back to the pool, or closed when it cannot be used again. */
  release(): void {
    this.#client.release(this.#isLost);
  }

  discard(): void {
    this.#isLost = true;
  }

  #explain(error: unknown): unknown {
    if (isStaleStatement(error)) this.#options.statements.renew();
    if (endsConnection(error)) this.#isLost = true;
    const translated = translateDatabaseError(error);
    return this.#isLost && translated === error ? connectionLost(error) : translated;
  }
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
      throw translated === error ? connectionLost(error) : translated;
    }
  }

  async releaseConnection(connection: PostgresConnection): Promise<void> {
    connection.release();
    this.#options.turns.release();
  }

  async beginTransaction(connection: PostgresConnection): Promise<void> {
    connection.announce(this.#options.begin);
    await connection.sendPlain(this.#options.begin);
  }

  async commitTransaction(connection: PostgresConnection): Promise<void> {
    connection.announce("commit");
    const { command } = await connection.sendPlain("commit");
    // PostgreSQL answers ROLLBACK to the commit of a transaction in which a statement failed.
    if (command !== "COMMIT") throw new Error("the transaction has failed; only a rollback is possible");
  }

  /** Never fails: a connection that cannot roll back is closed, and the server rolls back by itself. */
  async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    try {
      await connection.sendPlain("rollback");
    } catch {
      connection.discard();
    }
  }

  /** The pool belongs to whoever opened it. */
  async destroy(): Promise<void> {}
}
