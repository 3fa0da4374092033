import assert from "node:assert/strict";
import { test } from "node:test";
import { compiledQuery } from "./compiled-query.ts";
import { eachDatabase } from "./testing/each-database.ts";

eachDatabase((open) => {
  test("runs with the values of each call, on each database", async (t) => {
    const counter = compiledQuery((db, [name, above]: readonly [string, number]) =>
      db.selectFrom("counters").select(["name", "value"]).where("name", "=", name).where("value", ">", above),
    );
    for (const database of [await open(t), await open(t)]) {
      await database.transaction((tx) => tx.insertInto("counters").values({ name: "x", value: 7 }).execute());
      assert.equal((await counter(database.read, ["x", 1]))[0]?.value, 7);
      assert.equal((await counter(database.read, ["x", 7]))[0]?.value, undefined);
      assert.equal((await counter(database.read, ["access", -1]))[0]?.value, 0);
    }
  });

  test("refuses a query that does not use its values in their order", async (t) => {
    const database = await open(t);
    const swapped = compiledQuery((db, [first, second]: readonly [string, string]) =>
      db.selectFrom("counters").select("value").where("name", "=", second).where("name", "!=", first),
    );
    await assert.rejects(swapped(database.read, ["a", "b"]), /in their order/);
  });
});
