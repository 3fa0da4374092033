import type { Pool, PoolClient, QueryResult } from "pg";
import { AppError } from "../../../lib/app-error.ts";
import type { Log } from "../../../lib/log.ts";
import { connectionLost, endsConnection, translateDatabaseError } from "../database-error.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { clientConfig } from "../postgres/client-config.ts";
import { createPool } from "../postgres/create-pool.ts";
import { moveTable } from "./move-state.ts";

/**
 * Where the tables are while they are filled, and looked for first: an instance that started in the moment before the target was marked finds none, and cannot write to
 * what is not its own yet.
 */
export const fillingSchema = "entrepot_filling";

export type TargetRow = Readonly<Record<string, unknown>>;

/** A transaction in the PostgreSQL database that is filled. */
export interface TargetTx {
  query(text: string, values?: readonly unknown[]): Promise<readonly TargetRow[]>;
}

/** Long for every statement but those that make an index or check a key. */
export const longStatementMs = 60_000;

export interface TargetTransactionOptions {
  readonly durable: boolean;
  readonly signal?: AbortSignal;
  /** How long one statement may take: then `UNAVAILABLE`, as the server may be gone without a word. Absent = as long as it likes: building an index may take long. */
  readonly statementLimitMs?: number;
}

/** The PostgreSQL database that is filled. */
export interface Target {
  /**
   * Runs `work` in one transaction. Not repeated. Its commit survives a crash of the server only when `durable`, or once a later one does. When `signal` fires
   * the connection is closed: then it is rolled back, unless the commit was under way.
   */
  transaction<T>(work: (tx: TargetTx) => Promise<T>, options: TargetTransactionOptions): Promise<T>;
  close(): Promise<void>;
}

export function openTarget(
  options: Pick<OpenDatabaseOptions, "url" | "passwordFile" | "acquireTimeoutMs"> & { readonly log: Log },
): Target {
  const pool = createPool(options, { ...clientConfig(options, 0), max: 1 });

  async function run<T>(work: (tx: TargetTx) => Promise<T>, query: Ask, isDurable: boolean): Promise<T> {
    // In one round trip: a move is thousands of small transactions.
    await query(`begin isolation level read committed;
      select set_config('search_path', '${fillingSchema}, ' || current_setting('search_path'), true);
      ${isDurable ? "" : "set local synchronous_commit = off"}`);
    const result = await work({ query: async (text, values) => (await query(text, values)).rows });
    const { command } = await query("commit");
    if (command !== "COMMIT") throw new Error("the transaction has failed");
    return result;
  }

  return {
    async transaction(work, { durable, signal, statementLimitMs }) {
      signal?.throwIfAborted();
      let client: PoolClient | undefined;
      let isLost = false;
      const cut = () => {
        isLost = true;
        client?.release(true);
      };
      try {
        client = await connect(pool, signal);
        signal?.addEventListener("abort", cut, { once: true });
        return await run(work, askerOf(client, statementLimitMs), durable);
      } catch (error) {
        signal?.throwIfAborted();
        if (client !== undefined)
          isLost = endsConnection(error) || !(await rolledBack(askerOf(client, statementLimitMs)));
        throw translated(error, client === undefined || isLost);
      } finally {
        signal?.removeEventListener("abort", cut);
        if (signal?.aborted !== true) client?.release(isLost);
      }
    },
    close: () => pool.end(),
  };
}

/** Waits for a connection no longer than the signal lets it: the caller may hold what others wait for. */
async function connect(pool: Pool, signal: AbortSignal | undefined): Promise<PoolClient> {
  const connecting = pool.connect();
  if (signal === undefined) return connecting;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([connecting, aborted]);
  } catch (error) {
    connecting.then(
      (late) => late.release(true),
      () => undefined,
    );
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

type Ask = (text: string, values?: readonly unknown[]) => Promise<QueryResult<TargetRow>>;

/** With pg's own limit for one query, which its types do not know. */
function askerOf(client: PoolClient, limitMs: number | undefined): Ask {
  const limit = limitMs === undefined ? {} : { query_timeout: limitMs };
  return (text, values = []) => client.query<TargetRow>({ text, values: [...values], ...limit });
}

async function rolledBack(ask: Ask): Promise<boolean> {
  try {
    await ask("rollback");
    return true;
  } catch {
    return false;
  }
}

function translated(error: unknown, isLost: boolean): unknown {
  if (error instanceof AppError) return error;
  const told = translateDatabaseError(error);
  if (told !== error || !isLost || !(error instanceof Error) || "severity" in error) return told;
  // What pg reports of sockets: with the system's code, or in words of its own.
  return "code" in error ||
    /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/.test(error.message)
    ? connectionLost(error)
    : error;
}

/**
 * In each transaction of a move first: `CONFLICT` unless the target still waits for this move. Held until the transaction ends, so that of two moves
 * into one database one notices.
 */
export async function checkTarget(tx: TargetTx, id: string): Promise<void> {
  const [row] = await tx.query(`select id from ${moveTable} for update`);
  if (row?.["id"] === id) return;
  throw new AppError("CONFLICT", "another `entrepot database move` into the same database has begun");
}
