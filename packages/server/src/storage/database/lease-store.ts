import type { Tx } from "./database.ts";

/**
 * Takes or renews the right to do something that one process at a time does. True = ours until `untilMs`. Another holder's lease that has
 * run out is taken over. Safe from any number of processes at once.
 */
export async function acquireLease(
  tx: Tx,
  lease: { readonly name: string; readonly holder: string; readonly nowMs: number; readonly untilMs: number },
): Promise<boolean> {
  const row = await tx
    .insertInto("leases")
    .values({ name: lease.name, holder: lease.holder, expires_at_ms: lease.untilMs })
    .onConflict((conflict) =>
      conflict
        .column("name")
        .doUpdateSet({ holder: lease.holder, expires_at_ms: lease.untilMs })
        .where(({ eb, or }) =>
          or([eb("leases.holder", "=", lease.holder), eb("leases.expires_at_ms", "<=", lease.nowMs)]),
        ),
    )
    .returning("holder")
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives a lease back, so that the next holder need not wait. Nothing to do when it was lost. */
export async function releaseLease(
  tx: Tx,
  lease: { readonly name: string; readonly holder: string },
): Promise<void> {
  await tx.deleteFrom("leases").where("name", "=", lease.name).where("holder", "=", lease.holder).execute();
}
