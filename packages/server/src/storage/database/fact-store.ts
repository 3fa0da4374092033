import type { Queryable, Tx } from "./database.ts";

/** What all processes must agree on; undefined when nobody has said yet. */
export async function findFact(db: Queryable, name: string): Promise<string | undefined> {
  const row = await db.selectFrom("facts").select("value").where("name", "=", name).executeTakeFirst();
  return row?.value;
}

export async function putFact(tx: Tx, name: string, value: string): Promise<void> {
  await tx
    .insertInto("facts")
    .values({ name, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute();
}

/** What all processes agree on from then on: `value`, unless somebody was first. */
export async function keepFact(tx: Tx, name: string, value: string): Promise<string> {
  await tx
    .insertInto("facts")
    .values({ name, value })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  return (await findFact(tx, name)) ?? value;
}
