import { DatabaseSync } from "node:sqlite";
import { translateDatabaseError } from "../database-error.ts";
import { moveTable, readSourceMove, type SourceMove } from "./move-state.ts";
import { describeTables, quoted } from "./moved-table.ts";
import type { Target } from "./target.ts";
import { contentTables } from "./target-schema.ts";

export interface MovePlan {
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly rows: number;
  /** What a move would find there: `empty`, `being filled` by a move that runs or was broken off, or `in use`: then it is refused. */
  readonly target: "empty" | "being filled" | "in use";
  /** A move of this file that has begun, or is done. */
  readonly begun: SourceMove | undefined;
}

/** Looks at both databases and changes nothing. `UNAVAILABLE` when one cannot be reached. */
export async function planMove(file: string, target: Target): Promise<MovePlan> {
  try {
    const source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    try {
      const tables = describeTables(source).map(({ name }) => {
        const row = source.prepare(`select count(*) as rows from ${quoted(name)}`).get();
        return { table: name, rows: Number(row?.["rows"]) };
      });
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      return { tables, rows, target: await lookAtTarget(target), begun: readSourceMove(source) };
    } finally {
      source.close();
    }
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

async function lookAtTarget(target: Target): Promise<MovePlan["target"]> {
  return target.transaction(
    async (tx) => {
      const names = [moveTable, ...contentTables];
      const there = await tx.query(
        "select name from unnest($1::text[]) as name where to_regclass(name) is not null",
        [names],
      );
      const isThere = (name: string) => there.some((row) => row["name"] === name);
      if (isThere(moveTable)) return "being filled";
      for (const name of contentTables.filter(isThere)) {
        if ((await tx.query(`select 1 from ${name} limit 1`)).length > 0) return "in use";
      }
      return "empty";
    },
    { durable: false },
  );
}
