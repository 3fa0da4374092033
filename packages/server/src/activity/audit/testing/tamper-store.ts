import { sql } from "kysely";
import type { Database } from "../../../storage/database/database.ts";

/** Runs statements as somebody with the database's password and no scruples would: without triggers. */
export async function tamper(database: Database, statements: readonly string[]): Promise<void> {
  await database.transaction(async (tx) => {
    if (database.engine === "postgres") await sql`set local session_replication_role = replica`.execute(tx);
    else {
      await sql`drop trigger if exists audit_entries_update`.execute(tx);
      await sql`drop trigger if exists audit_entries_delete`.execute(tx);
    }
    for (const statement of statements) await sql.raw(statement).execute(tx);
  });
}
