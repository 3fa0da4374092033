import { sql } from "kysely";
import type { Tx } from "./database.ts";
import { databaseNowMs } from "./database-now.ts";

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

/**
 * As `acquireLease`, for so long from now, judged by the database's clock: processes whose own clocks differ agree on whose it is. A holder measures the time by itself,
 * from before it asked.
 */
export async function acquireLeaseFor(
  tx: Tx,
  { name, holder, forMs }: { readonly name: string; readonly holder: string; readonly forMs: number },
): Promise<boolean> {
  const now = databaseNowMs(tx);
  const row = await tx
    .insertInto("leases")
    .values({ name, holder, expires_at_ms: sql<number>`${now} + ${forMs}` })
    .onConflict((conflict) =>
      conflict
        .column("name")
        .doUpdateSet({ holder, expires_at_ms: sql<number>`${now} + ${forMs}` })
        .where(({ eb, or }) => or([eb("leases.holder", "=", holder), eb("leases.expires_at_ms", "<=", now)])),
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
