import { type RawBuilder, sql } from "kysely";
import type { Queryable } from "./database.ts";
import { engineOf } from "./engine-of.ts";

/**
 * What follows a column of ids in a condition: `sql\`id ${oneOfIds(db, ids)}\``. All ids are one parameter, so that the statement is the same for every
 * number of them and is prepared once; and PostgreSQL finds the rows by the index of the ids, whatever it thinks of the table.
 */
export function oneOfIds(db: Queryable, ids: readonly number[]): RawBuilder<unknown> {
  return engineOf(db) === "postgres"
    ? sql`= any(cast(${`{${ids.join(",")}}`} as bigint[]))`
    : sql`in (select value from json_each(${JSON.stringify(ids)}))`;
}
