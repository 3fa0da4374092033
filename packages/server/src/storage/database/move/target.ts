import type { PoolClient } from "pg";
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

/** The PostgreSQL database that is filled. Its statements have no time limit of their own: building an index may take long. */
export interface Target {
  /**
   * Runs `work` in one transaction. Not repeated. Its commit survives a crash of the server only when `durable`, or once a later one does. When `signal` fires
   * the connection is closed: then it is rolled back, unless the commit was under way.
   */
  transaction<T>(
    work: (tx: TargetTx) => Promise<T>,
    options: { readonly durable: boolean; readonly signal?: AbortSignal },
  ): Promise<T>;
  close(): Promise<void>;
}

export function openTarget(
  options: Pick<OpenDatabaseOptions, "url" | "passwordFile" | "acquireTimeoutMs"> & { readonly log: Log },
): Target {
  const pool = createPool(options, { ...clientConfig(options, 0), max: 1 });

  async function run<T>(
    client: PoolClient,
    work: (tx: TargetTx) => Promise<T>,
    isDurable: boolean,
  ): Promise<T> {
    // In one round trip: a move is thousands of small transactions.
    await client.query(`begin isolation level read committed;
      select set_config('search_path', '${fillingSchema}, ' || current_setting('search_path'), true);
      ${isDurable ? "" : "set local synchronous_commit = off"}`);
    const result = await work({
      query: async (text, values = []) => (await client.query<TargetRow>(text, [...values])).rows,
    });
    const { command } = await client.query("commit");
    if (command !== "COMMIT") throw new Error("the transaction has failed");
    return result;
  }

  return {
    async transaction(work, { durable, signal }) {
      signal?.throwIfAborted();
      let client: PoolClient | undefined;
      let isLost = false;
      const cut = () => {
        isLost = true;
        client?.release(true);
      };
      try {
        client = await pool.connect();
        if (signal?.aborted === true) client.release(true);
        signal?.throwIfAborted();
        signal?.addEventListener("abort", cut, { once: true });
        return await run(client, work, durable);
      } catch (error) {
        signal?.throwIfAborted();
        if (client !== undefined) isLost = endsConnection(error) || !(await rolledBack(client));
        throw translated(error, client === undefined || isLost);
      } finally {
        signal?.removeEventListener("abort", cut);
        if (signal?.aborted !== true) client?.release(isLost);
      }
    },
    close: () => pool.end(),
  };
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query("rollback");
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
  return "code" in error || error.message.startsWith("Connection terminated") ? connectionLost(error) : error;
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
