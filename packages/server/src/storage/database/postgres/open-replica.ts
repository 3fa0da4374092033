import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Kysely } from "kysely";
import { AppError } from "../../../lib/app-error.ts";
import type { Queryable } from "../database.ts";
import { connectionLost } from "../database-error.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import type { AsideOutcome, ReadAside, Replica } from "../replica.ts";
import { statementLog } from "../statement-log.ts";
import type { Tables } from "../tables.ts";
import { createTurns } from "../turns.ts";
import { clientConfig } from "./client-config.ts";
import { createPool } from "./create-pool.ts";
import { createPostgresDialect, createStatementNames } from "./postgres-dialect.ts";
import { createReplicaPauses } from "./replica-pauses.ts";
import { findLagBytes, findPrimaryPosition, type PrimaryPosition } from "./replica-position.ts";

export interface OpenedReplica {
  readonly readAside: ReadAside;
  readonly replica: Replica;
  /** Waits for reads under way. */
  close(): Promise<void>;
}

/** How long a connection and the answer whether everything is there may take together. */
const askTimeoutMs = 500;
/** How long the page may take afterwards. */
const pageTimeoutMs = 5_000;
/** What is replayed a moment later need not be read from the primary: so long, three times. */
const catchUpMs = [2, 5, 10];
const longestLagMs = 10_000;

type Answer<T> = { readonly outcome: "replica"; readonly value: T } | { readonly outcome: Failure };
type Failure = Exclude<AsideOutcome, "replica" | "paused">;

/** Connects to nothing before the first read: a replica that is away delays no start. See `Database.readAside`. */
export function openReplica(options: OpenDatabaseOptions, url: string, primary: Queryable): OpenedReplica {
  const own = { ...options, url, acquireTimeoutMs: askTimeoutMs };
  const pool = createPool(options, { ...clientConfig(own, pageTimeoutMs), max: options.poolSize });
  const turns = createTurns(options.poolSize, askTimeoutMs);
  const db = new Kysely<Tables>({
    dialect: createPostgresDialect({
      pool,
      turns,
      begin: [],
      statements: createStatementNames(100, 32),
      onQuery: undefined,
      onStatement: options.onStatement,
    }),
    ...statementLog(options),
  });
  const outcomes: Record<AsideOutcome, number> = { replica: 0, lagging: 0, failed: 0, foreign: 0, paused: 0 };
  const pauses = createReplicaPauses(options.log);
  let lagBytes: number | undefined;

  async function read<T>(from: PrimaryPosition, work: (db: Queryable) => Promise<T>): Promise<Answer<T>> {
    const asked = startDeadline();
    const reading = db.connection().execute(async (connection): Promise<Answer<T>> => {
      for (const pauseMs of [...catchUpMs, undefined]) {
        lagBytes = await orLost(findLagBytes(connection, from));
        if (lagBytes === undefined) return { outcome: "foreign" };
        if (lagBytes <= 0) break;
        if (pauseMs === undefined) return { outcome: "lagging" };
        await delay(pauseMs);
      }
      lagBytes = 0;
      asked.extend(pageTimeoutMs);
      return { outcome: "replica", value: await work(connection) };
    });
    try {
      return await Promise.race([reading, asked.expired]);
    } finally {
      asked.end();
    }
  }

  /** Throws what the primary throws when it does not tell its position: then it would not answer the page either. */
  async function ask<T>(work: (db: Queryable) => Promise<T>): Promise<Answer<T>> {
    const from = await findPrimaryPosition(primary).catch((error: unknown) => {
      if (error instanceof AppError) throw error;
      pauses.told("failed", error); // a service that does not let it be asked
      return undefined;
    });
    if (from === undefined) return { outcome: "failed" };
    try {
      const answer = await read(from, work);
      pauses.told(answer.outcome);
      return answer;
    } catch (error) {
      lagBytes = undefined;
      // One statement that failed (cancelled by what was replayed, prepared before a migration) says nothing about the next.
      if (error instanceof AppError) pauses.told("failed", error);
      return { outcome: "failed" };
    }
  }

  return {
    async readAside(work) {
      if (!pauses.mayAsk()) {
        outcomes.paused += 1;
        return work(primary);
      }
      const answer = await ask(work);
      outcomes[answer.outcome] += 1;
      return answer.outcome === "replica" ? answer.value : work(primary);
    },
    replica: {
      outcomes: () => outcomes,
      lagBytes: () => lagBytes,
      async probe() {
        const { outcome } = await ask(async () => undefined);
        if (outcome === "failed") throw new Error("the read replica does not answer; the primary is read");
        if (outcome === "foreign")
          throw new Error("the replica's server is no standby of this primary; the primary is read");
        const behindMs = pauses.behindMs();
        if (behindMs > longestLagMs)
          throw new Error(`the read replica has been behind for ${Math.round(behindMs / 1_000)} s`);
        return lagBytes ?? 0;
      },
    },
    async close() {
      await turns.close();
      await db.destroy();
      await pool.end();
    },
  };
}

/** Whoever may not be asked (a function that a service does not allow) is as good as gone. */
async function orLost<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof AppError ? error : connectionLost(error);
  }
}

interface Deadline {
  /** Rejects when the time is over. */
  readonly expired: Promise<never>;
  /** Gives this much from now. Throws when the time was over before: nobody waits any more. */
  extend(ms: number): void;
  end(): void;
}

function startDeadline(): Deadline {
  const endsAtMs = performance.now() + askTimeoutMs;
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined); // whoever races is told
  const late = (): void => reject(connectionLost(new Error("the replica did not answer in time")));
  let timer = setTimeout(late, askTimeoutMs);
  return {
    expired: promise,
    extend(ms) {
      clearTimeout(timer);
      if (performance.now() > endsAtMs) throw connectionLost(new Error("the replica did not answer in time"));
      timer = setTimeout(late, ms);
    },
    end: () => clearTimeout(timer),
  };
}
