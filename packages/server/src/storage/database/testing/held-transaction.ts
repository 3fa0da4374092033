import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database, Tx } from "../database.ts";

/** Does `work` in a transaction that stays open, with the locks that it took; what is returned commits it. */
export async function holdTransaction(
  database: Database,
  work: (tx: Tx) => Promise<unknown>,
): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>();
  const enough = Promise.withResolvers<void>();
  const holding = database.transaction(async (tx) => {
    await work(tx);
    held.resolve();
    await enough.promise;
  });
  await Promise.race([held.promise, holding]);
  return async () => {
    enough.resolve();
    await holding;
  };
}

/** Returns once so many transactions of the PostgreSQL database wait for a lock, or once `work`, if it is given, has ended without waiting. */
export async function untilWaiting(
  database: Database,
  count: number,
  work?: Promise<unknown>,
): Promise<void> {
  let isOver = false;
  const end = (): void => void (isOver = true);
  work?.then(end, end);
  while (!isOver) {
    const { rows } = await sql`select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(database.read);
    if (rows.length === count) return;
    await delay(5);
  }
}
