import type { Queryable, Tx } from "../../storage/database/database.ts";

/** Whether the user has signed in from one of these networks since `sinceMs`. */
export async function isKnownNetwork(
  db: Queryable,
  userId: number,
  networks: readonly string[],
  sinceMs: number,
): Promise<boolean> {
  const row = await db
    .selectFrom("sign_in_networks")
    .select("network")
    .where("user_id", "=", userId)
    .where("network", "in", networks)
    .where("last_at_ms", ">", sinceMs)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes that the user has signed in from a network; of the `keep` that they used last. */
export async function putNetwork(
  tx: Tx,
  known: { readonly userId: number; readonly network: string; readonly nowMs: number },
  keep: number,
): Promise<void> {
  const { userId, network, nowMs } = known;
  await tx
    .insertInto("sign_in_networks")
    .values({ user_id: userId, network, last_at_ms: nowMs })
    .onConflict((conflict) => conflict.columns(["user_id", "network"]).doUpdateSet({ last_at_ms: nowMs }))
    .execute();
  await tx
    .deleteFrom("sign_in_networks")
    .where("user_id", "=", userId)
    .where("network", "not in", (query) =>
      query
        .selectFrom("sign_in_networks")
        .select("network")
        .where("user_id", "=", userId)
        .orderBy("last_at_ms", "desc")
        .orderBy("network")
        .limit(keep),
    )
    .execute();
}
