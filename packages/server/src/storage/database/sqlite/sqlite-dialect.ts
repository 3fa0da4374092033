import { randomInt } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import {
  type CompiledQuery,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { isSqliteBusy, translateDatabaseError } from "../database-error.ts";
import type { FlightConnection } from "../send-together.ts";
import { busy, type Turns } from "../turns.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

/** Kysely over one connection. */
export interface SqliteDialectOptions {
  readonly connection: SqliteConnection;
  /** Who may write now; undefined for a connection that only reads, which needs no turns: no statement of it is ever half done. */
  readonly turns: Turns | undefined;
  readonly onQuery: ((sql: string) => void) | undefined;
}

export function createSqliteDialect(options: SqliteDialectOptions): Dialect {
  return {
    createAdapter: () => new EntrepotSqliteAdapter(),
    createDriver: () => new SqliteDriver(options),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

class EntrepotSqliteAdapter extends SqliteAdapter {
  /** Turns are taken in our driver, where waiting has a limit, not in Kysely. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** SQLite does roll back DDL; migrations run in one transaction, whose write lock keeps other processes out. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** What one holder of a turn works with. */
class Lease implements FlightConnection {
  readonly #options: SqliteDialectOptions;
  #isOver = false;
  readonly deadlineMs: number;

  constructor(options: SqliteDialectOptions, deadlineMs: number) {
    this.#options = options;
    this.deadlineMs = deadlineMs;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#isOver) throw new Error("the transaction has been committed");
    this.announce(query.sql);
    return this.#options.connection.executeQuery<R>(query);
  }

  /** One after the other: there is no way to save. Kysely asks for the commit when the work returns, which is at once. */
  async executeTogether(
    queries: readonly CompiledQuery[],
    thenCommit: boolean,
  ): Promise<readonly (readonly unknown[])[]> {
    const results: (readonly unknown[])[] = [];
    for (const query of queries) results.push((await this.executeQuery(query)).rows);
    this.#isOver = thenCommit;
    return results;
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    return this.#options.connection.streamQuery<R>();
  }

  announce(sql: string): void {
    try {
      this.#options.onQuery?.(sql);
    } catch (error) {
      this.#options.connection.failTransaction();
      throw error;
    }
  }
}

class SqliteDriver implements Driver {
  readonly #options: SqliteDialectOptions;

  constructor(options: SqliteDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<Lease> {
    return new Lease(this.#options, (await this.#options.turns?.acquire()) ?? Number.POSITIVE_INFINITY);
  }

  async releaseConnection(): Promise<void> {
    this.#options.turns?.release();
  }

  /**
   * `immediate`: a transaction that read first and wants to write later could fail when another process wrote in between.
   * While another process writes we wait here, not in SQLite's busy handler: that would stop the whole event loop.
   */
  async beginTransaction(lease: Lease): Promise<void> {
    lease.announce("begin immediate");
    for (;;) {
      try {
        this.#options.connection.begin();
        return;
      } catch (error) {
        if (!isSqliteBusy(error)) throw translateDatabaseError(error);
        if (performance.now() >= lease.deadlineMs) throw busy();
      }
      await delay(randomInt(2, 15));
    }
  }

  async commitTransaction(lease: Lease): Promise<void> {
    lease.announce("commit");
    this.#options.connection.commit();
  }

  async rollbackTransaction(): Promise<void> {
    this.#options.connection.rollback();
  }

  /** The connection belongs to whoever opened it. */
  async destroy(): Promise<void> {}
}
