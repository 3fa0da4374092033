import type { Tx } from "../../storage/database/database.ts";

/**
 * Notes that a user has signed in from a network, of the `keep` that they used last. "new" is answered once for each, whoever asks at the same moment;
 * "first" when there was none before. `marks` are what recognises the network, the present one first.
 */
export async function noteNetwork(
  tx: Tx,
  seen: { readonly userId: number; readonly marks: readonly string[]; readonly nowMs: number },
  keep: number,
): Promise<"known" | "first" | "new"> {
  const { userId, marks, nowMs } = seen;
  const [mark = ""] = marks;
  const before = await tx
    .selectFrom("seen_networks")
    .select("network")
    .where("user_id", "=", userId)
    .orderBy("last_at_ms", "desc")
    .orderBy("network")
    .execute();
  const inserted = await tx
    .insertInto("seen_networks")
    .values({ user_id: userId, network: mark, last_at_ms: nowMs })
    .onConflict((conflict) => conflict.doNothing())
    .returning("network")
    .executeTakeFirst();
  if (inserted === undefined) {
    await tx
      .updateTable("seen_networks")
      .set({ last_at_ms: nowMs })
      .where("user_id", "=", userId)
      .where("network", "=", mark)
      .execute();
    return "known";
  }
  const over = before.slice(keep - 1).map(({ network }) => network);
  if (over.length > 0) {
    await tx.deleteFrom("seen_networks").where("user_id", "=", userId).where("network", "in", over).execute();
  }
  if (before.some(({ network }) => marks.includes(network))) return "known";
  return before.length === 0 ? "first" : "new";
}
