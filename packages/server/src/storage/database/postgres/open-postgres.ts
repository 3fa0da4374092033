import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Kysely } from "kysely";
import { Client, type Pool } from "pg";
import { AppError } from "../../../lib/app-error.ts";
import type { Database, Tx } from "../database.ts";
import { connectionLost, isConcurrencyFailure, translateDatabaseError } from "../database-error.ts";
import { prepareSchema } from "../migrate.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { statementLog } from "../statement-log.ts";
import type { Tables } from "../tables.ts";
import { createTurns } from "../turns.ts";
import { clientConfig } from "./client-config.ts";
import { createPool } from "./create-pool.ts";
import { listenForNotices } from "./listen-for-notices.ts";
import { openReplica } from "./open-replica.ts";
import { createPostgresDialect, createStatementNames } from "./postgres-dialect.ts";
import { watchSilence } from "./watch-silence.ts";

const statementTimeoutMs = 30_000;
/** How long a migration waits for another instance's migration, or for the transactions that use a table it changes. */
const migrationLockTimeoutMs = 300_000;
const maxRetries = 3;
const probeIdleMs = 30_000;
const heartbeatTimeoutMs = 1_000;
const beginReadCommitted = "begin isolation level read committed";
const probeTimeoutMs = 2_000;

/** See `openDatabase`. */
export async function openPostgres(options: OpenDatabaseOptions): Promise<Database> {
  checkUrl(options.url);
  if (options.replicaUrl !== undefined) checkUrl(options.replicaUrl);
  await migrateServer(options);
  const timed = clientConfig(options, statementTimeoutMs);
  const pool = createPool(options, { ...timed, max: options.poolSize });
  // Of their own, so that neither health checks nor the news of others wait behind a pool that is exhausted.
  // With short limits: one that hangs must not be in the way of the next.
  const prompt = clientConfig({ ...options, acquireTimeoutMs: probeTimeoutMs }, probeTimeoutMs);
  const probes = createPool(options, { ...prompt, max: 1, idleTimeoutMillis: probeIdleMs });
  const silence = watchSilence({ probes });
  const notices = listenForNotices({
    createClient: () => new Client(clientConfig(options, heartbeatTimeoutMs)),
    log: options.log,
  });
  const turns = createTurns(options.poolSize, options.acquireTimeoutMs);
  const statements = createStatementNames(300, 32);
  const { onQuery, onStatement } = options;
  const connect = (...begin: readonly string[]): Kysely<Tables> =>
    new Kysely<Tables>({
      dialect: createPostgresDialect({ pool, turns, begin, statements, silence, onQuery, onStatement }),
      ...statementLog(options),
    });
  const durable = connect(beginReadCommitted);
  // The commit is ordered and visible as ever, but may be lost when the server crashes.
  const relaxed = connect(beginReadCommitted, "set local synchronous_commit = off");
  const aside =
    options.replicaUrl === undefined ? undefined : openReplica(options, options.replicaUrl, durable);

  async function close(): Promise<void> {
    silence.close();
    await aside?.close();
    await turns.close();
    await Promise.all([durable.destroy(), relaxed.destroy(), notices.close()]);
    await Promise.all([pool.end(), probes.end()]);
  }
  let closing: Promise<void> | undefined;

  return {
    engine: "postgres",
    read: durable,
    readAside: aside?.readAside ?? ((work) => work(durable)),
    replica: aside?.replica,
    transaction: (work, transactionOptions) =>
      runWithRetries(transactionOptions?.durable === false ? relaxed : durable, work),
    foreignChangeStamp: () => undefined,
    noticeStamp: (topic) => notices.stamp(topic),
    onNotice: notices.on,
    heardByAll: notices.heardByAll,
    load: turns.load,
    hasMoved: () => false,
    probe: (timeoutMs) => withTimeout(probe(probes), timeoutMs),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function checkUrl(url: string): void {
  try {
    void new Client({ connectionString: url }); // parses, connects to nothing
  } catch {
    // Without the cause, which may quote the url and with it the password.
    throw new AppError(
      "REQUEST_INVALID",
      "the PostgreSQL url is malformed; it should be postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    );
  }
}

/**
 * Repeats what failed only because of others that ran at the same time, after a pause that grows and is never the same for two.
 * A connection lost during the commit is not repeated: the commit may have happened.
 */
async function runWithRetries<T>(db: Kysely<Tables>, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let retries = 0; ; retries += 1) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (!isConcurrencyFailure(error)) throw error;
      if (retries === maxRetries) {
        throw new AppError("CONFLICT", "others kept changing the same thing; try again", {
          cause: error,
          retryAfterSeconds: 1,
        });
      }
    }
    await delay(randomInt(5, 20 * 2 ** retries));
  }
}

/** A connection of its own: a migration may take longer than any statement should, and so may waiting for another's. */
async function migrateServer(options: OpenDatabaseOptions): Promise<void> {
  const pool = createPool(options, { ...clientConfig(options, 0), max: 1 });
  const db = new Kysely<Tables>({
    dialect: createPostgresDialect({
      pool,
      turns: createTurns(1, options.acquireTimeoutMs),
      begin: [beginReadCommitted, `set local lock_timeout = ${migrationLockTimeoutMs}`],
      statements: createStatementNames(0, 0),
      onQuery: undefined,
      onStatement: undefined,
    }),
  });
  try {
    await prepareSchema(db, options.log, options.migrate ?? "auto", options.waitsForMove);
  } finally {
    await db.destroy();
    await pool.end();
  }
}

async function probe(pool: Pool): Promise<void> {
  try {
    await pool.query("select 1");
  } catch (error) {
    const translated = translateDatabaseError(error);
    throw translated === error ? connectionLost(error) : translated;
  }
}

async function withTimeout(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const timer = new AbortController();
  const timeout = delay(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw connectionLost(new Error(`no answer within ${timeoutMs} ms`));
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    timer.abort();
    await Promise.allSettled([timeout]);
  }
}
