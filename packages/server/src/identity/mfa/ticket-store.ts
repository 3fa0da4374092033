import type { Tx } from "../../storage/database/database.ts";

/** Notes that a ticket was redeemed; false when it was before. */
export async function insertUsedTicket(tx: Tx, id: string, expiresAtMs: number): Promise<boolean> {
  const result = await tx
    .insertInto("used_tickets")
    .values({ id, expires_at_ms: expiresAtMs })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Forgets up to `limit` tickets that would not be taken any more in any case. */
export async function pruneUsedTickets(tx: Tx, nowMs: number, limit: number): Promise<void> {
  await tx
    .deleteFrom("used_tickets")
    .where("id", "in", (query) =>
      query.selectFrom("used_tickets").select("id").where("expires_at_ms", "<=", nowMs).limit(limit),
    )
    .execute();
}
