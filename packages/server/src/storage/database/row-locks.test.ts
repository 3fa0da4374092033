import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Queryable, Tx } from "./database.ts";
import { engineOf } from "./engine-of.ts";
import { forKeyShare, forNoKeyUpdate, forShare, forUpdate, skipLocked } from "./row-locks.ts";
import { eachDatabase } from "./testing/each-database.ts";

function leases(db: Queryable) {
  return db.selectFrom("leases").select("name").orderBy("name");
}

eachDatabase((open) => {
  test("knows the engine of a database and of a transaction", async (t) => {
    const database = await open(t);
    assert.equal(database.engine, open.engine);
    assert.equal(engineOf(database.read), open.engine);
    assert.equal(await database.transaction(async (tx) => engineOf(tx)), open.engine);
  });

  test("locks rows where transactions run side by side, and changes nothing elsewhere", async (t) => {
    const { read } = await open(t);
    const query = leases(read);
    const locked = [
      [forUpdate(read, query), "for update"],
      [forNoKeyUpdate(read, query), "for no key update"],
      [forShare(read, query), "for share"],
      [forKeyShare(read, query), "for key share"],
      [forShare(read, query, "leases"), 'for share of "leases"'],
      [skipLocked(read, forUpdate(read, query)), "for update skip locked"],
    ] as const;
    for (const [lockedQuery, clause] of locked) {
      const plain = query.compile().sql;
      assert.equal(lockedQuery.compile().sql, open.engine === "sqlite" ? plain : `${plain} ${clause}`);
      assert.deepEqual(await lockedQuery.execute(), []);
    }
  });

  test("gives every entry of a list to one of several who take from it at once", async (t) => {
    const database = await open(t);
    const names = Array.from({ length: 20 }, (_, n) => `entry ${String(n).padStart(2, "0")}`);
    await database.transaction(async (tx) => {
      for (const name of names) {
        await tx.insertInto("leases").values({ name, holder: "x", expires_at_ms: 0 }).execute();
      }
    });
    const take = async (tx: Tx): Promise<string | undefined> => {
      const row = await skipLocked(tx, forUpdate(tx, leases(tx).limit(1))).executeTakeFirst();
      if (row === undefined) return undefined;
      await delay(1); // so that the others come across the lock
      await tx.deleteFrom("leases").where("name", "=", row.name).execute();
      return row.name;
    };
    const taken: string[] = [];
    const worker = async (): Promise<void> => {
      for (;;) {
        const name = await database.transaction(take);
        if (name === undefined) return;
        taken.push(name);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    assert.deepEqual(taken.sort(), names);
  });
});
