import type { Queryable, Tx } from "../storage/database/database.ts";
import { sendNotice } from "../storage/database/send-notice.ts";

const counter = "access";

/**
 * Marks that who may do what has changed: users, tokens, grants, visibility, repositories that appear or go. Called in the transaction of the
 * change; after the commit the caller tells `Access.changed()`. Other processes see the number move and forget what they knew.
 */
export async function bumpAccessVersion(tx: Tx): Promise<void> {
  await tx
    .updateTable("counters")
    .set((eb) => ({ value: eb("value", "+", 1) }))
    .where("name", "=", counter)
    .execute();
  await sendNotice(tx, "access");
}

export async function readAccessVersion(db: Queryable): Promise<number> {
  const row = await db.selectFrom("counters").select("value").where("name", "=", counter).executeTakeFirst();
  return row?.value ?? 0;
}
