import type { Insertable } from "kysely";
import type { Tx } from "../../storage/database/database.ts";
import type { Tables } from "../../storage/database/tables.ts";

export type AuditRow = Insertable<Tables["audit_entries"]>;

export async function insertAuditEntry(tx: Tx, row: AuditRow): Promise<void> {
  await tx.insertInto("audit_entries").values(row).execute();
}
