import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "./database.ts";
import { eachDatabase } from "./testing/each-database.ts";

async function write(database: Database, name: string): Promise<void> {
  await database.transaction((tx) =>
    tx.insertInto("leases").values({ name, holder: "x", expires_at_ms: 0 }).execute(),
  );
}

eachDatabase((open) => {
  if (open.engine === "postgres") {
    test("gives no stamp where other instances cannot be seen cheaply", async (t) => {
      const database = await open(t);
      assert.equal(database.foreignChangeStamp(), undefined);
    });
    return;
  }

  test("changes after a commit of another connection and not after an own one", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    const before = own.foreignChangeStamp();
    assert.equal(typeof before, "number");
    await write(own, "own");
    await own.read.selectFrom("leases").selectAll().execute();
    assert.equal(own.foreignChangeStamp(), before);
    await write(other, "other");
    const after = own.foreignChangeStamp();
    assert.notEqual(after, before);
    assert.equal(own.foreignChangeStamp(), after, "stays until the next change");
  });

  test("notices another's commit even while a transaction of its own is open", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    const before = own.foreignChangeStamp();
    await write(other, "other");
    await own.transaction(async (tx) => {
      await tx.selectFrom("leases").selectAll().execute();
      assert.notEqual(own.foreignChangeStamp(), before);
    });
    assert.notEqual(own.foreignChangeStamp(), before);
  });

  test("does not change when another's transaction rolls back", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    const before = own.foreignChangeStamp();
    const rolledBack = other.transaction(async (tx) => {
      await tx.insertInto("leases").values({ name: "a", holder: "x", expires_at_ms: 0 }).execute();
      throw new Error("no");
    });
    await assert.rejects(rolledBack, /no/);
    assert.equal(own.foreignChangeStamp(), before);
  });

  test("shows what another committed to a read that begins after the stamp has changed", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    for (let round = 0; round < 20; round += 1) {
      const before = own.foreignChangeStamp();
      await write(other, `lease ${round}`);
      assert.notEqual(own.foreignChangeStamp(), before);
      assert.equal((await own.read.selectFrom("leases").select("name").execute()).length, round + 1);
    }
  });

  test("gives no stamp once closed", async (t) => {
    const database = await open(t);
    await database.close();
    assert.equal(database.foreignChangeStamp(), undefined);
  });
});
