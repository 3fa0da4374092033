import type { Queryable, Tx } from "../../storage/database/database.ts";

/*
 * Holds are leases whose names begin so. While one is good, no bytes are removed from the blob store: what a copy of the database names
 * can be copied, too. Rows are collected as ever; their bytes wait in `blob_deletions`.
 */
const prefix = "gc-hold:";
const afterPrefix = "gc-hold;"; // ";" follows ":"

/** Makes or renews a hold. */
export async function putHold(
  tx: Tx,
  hold: { readonly name: string; readonly holder: string; readonly untilMs: number },
): Promise<void> {
  const values = { holder: hold.holder, expires_at_ms: hold.untilMs };
  await tx
    .insertInto("leases")
    .values({ name: `${prefix}${hold.name}`, ...values })
    .onConflict((conflict) => conflict.column("name").doUpdateSet(values))
    .execute();
}

/** Ends a hold; false when there was none. */
export async function deleteHold(tx: Tx, name: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("leases")
    .where("name", "=", `${prefix}${name}`)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** The holds that are good. */
export function holds(db: Queryable, nowMs: number) {
  return db
    .selectFrom("leases")
    .select("expires_at_ms")
    .where("name", ">", prefix)
    .where("name", "<", afterPrefix)
    .where("expires_at_ms", ">", nowMs);
}

/** Until when bytes are kept, by the hold that lasts longest; undefined = there is none. */
export async function findHeldUntil(db: Queryable, nowMs: number): Promise<number | undefined> {
  const row = await holds(db, nowMs).orderBy("expires_at_ms", "desc").limit(1).executeTakeFirst();
  return row?.expires_at_ms;
}
