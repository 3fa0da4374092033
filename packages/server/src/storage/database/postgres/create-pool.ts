import { type ClientConfig, Pool } from "pg";
import type { Log } from "../../../lib/log.ts";

export interface PoolLimits {
  readonly max: number;
  readonly idleTimeoutMillis?: number;
}

/** A pool whose broken connections end nothing but themselves. */
export function createPool({ log }: { readonly log: Log }, config: ClientConfig & PoolLimits): Pool {
  const pool = new Pool(config);
  // Without listeners Node ends the process when a connection breaks. Whoever uses it is told by the failing query.
  pool.on("error", (error) => log.warn({ error }, "idle database connection lost"));
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}
