import { type RawBuilder, sql } from "kysely";
import type { Queryable } from "./database.ts";
import { engineOf } from "./engine-of.ts";

/** Milliseconds since the Unix epoch by the database's clock, for a statement: processes whose own clocks differ agree on it. */
export function databaseNowMs(db: Queryable): RawBuilder<number> {
  return engineOf(db) === "sqlite"
    ? sql<number>`cast(unixepoch('now', 'subsec') * 1000 as integer)`
    : sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;
}
