import { DatabaseSync } from "node:sqlite";
import { AppError } from "../../../lib/app-error.ts";
import { translateDatabaseError } from "../database-error.ts";
import { allMigrations } from "../migrations/all-migrations.ts";
import { moveTable, readSourceMove, type SourceMove } from "./move-state.ts";
import type { Target } from "./target.ts";

/** The move of a SQLite file that has begun, or is done; without running migrations in it. */
export function readBegunMove(file: string): SourceMove | undefined {
  try {
    const source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    try {
      return readSourceMove(source);
    } finally {
      source.close();
    }
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

/** `CONFLICT` when a move that another version has begun fills the target: its tables are not where migrations look for them. */
export async function checkFillingVersion(target: Target): Promise<void> {
  const names = await target.transaction(
    async (tx) => {
      const [found] = await tx.query(
        "select to_regclass($1) is not null and to_regclass('kysely_migration') is not null as filling",
        [moveTable],
      );
      if (found?.["filling"] !== 1) return undefined;
      const rows = await tx.query("select name from kysely_migration");
      return rows.map((row) => String(row["name"]));
    },
    { durable: false },
  );
  if (names === undefined || names.toSorted().join() === Object.keys(allMigrations).toSorted().join()) return;
  throw new AppError(
    "CONFLICT",
    "a move that another version of entrepot has begun fills the target: end it with that version, or make the target anew",
  );
}
