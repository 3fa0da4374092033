import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { acquireLeaseFor, releaseLease } from "./lease-store.ts";
import { eachDatabase } from "./testing/each-database.ts";

eachDatabase((open) => {
  test("a lease is one holder's until its time has passed by the database's clock, whatever a holder's own says", async (t) => {
    const database = await open(t);
    const acquire = (holder: string, forMs: number) =>
      database.transaction((tx) => acquireLeaseFor(tx, { name: "region:eu", holder, forMs }));
    assert.equal(await acquire("a", 60_000), true);
    assert.equal(await acquire("b", 60_000), false);
    assert.equal(await acquire("a", 60_000), true, "renewed");
    const { expires_at_ms: untilMs } = await database.read
      .selectFrom("leases")
      .select("expires_at_ms")
      .executeTakeFirstOrThrow();
    const leftMs = Number(untilMs) - systemClock.nowMs();
    assert.ok(leftMs > 30_000 && leftMs <= 61_000, `${leftMs} ms are left`);
    assert.equal(await acquire("a", -1), true);
    assert.equal(await acquire("b", 60_000), true, "it had run out");
    assert.equal(await acquire("a", 60_000), false);
    await database.transaction((tx) => releaseLease(tx, { name: "region:eu", holder: "a" }));
    assert.equal(await acquire("a", 60_000), false, "only the holder gives it back");
    await database.transaction((tx) => releaseLease(tx, { name: "region:eu", holder: "b" }));
    assert.equal(await acquire("a", 60_000), true);
  });
});
