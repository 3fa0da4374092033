import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { bumpAccessVersion, readAccessVersion } from "./access-version-store.ts";
import { createVersionedCache } from "./versioned-cache.ts";

const bump = (database: Database) => database.transaction(bumpAccessVersion);

/** Loads a new fact each time, so that what was kept can be told from what was read. */
function countingLoad() {
  let count = 0;
  return async () => {
    count += 1;
    return { count };
  };
}

eachDatabase((open) => {
  test("keeps a fact until somebody says that rights have changed", async (t) => {
    const database = await open(t);
    const cache = createVersionedCache(database, { nowMs: () => 0 }, { maxEntries: 10 });
    const load = countingLoad();
    assert.deepEqual(await cache.get("a", load), { count: 1 });
    assert.deepEqual(await cache.get("a", load), { count: 1 });
    await bump(database);
    cache.changed();
    assert.deepEqual(await cache.get("a", load), { count: 2 });
  });

  test("sees a change by another instance, at the latest a second after it", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    let nowMs = 0;
    const cache = createVersionedCache(own, { nowMs: () => nowMs }, { maxEntries: 10 });
    const load = countingLoad();
    assert.deepEqual(await cache.get("a", load), { count: 1 });
    await bump(other);
    nowMs += 1_000;
    assert.deepEqual(await cache.get("a", load), { count: 2 });
    assert.deepEqual(await cache.get("a", load), { count: 2 }, "and keeps what it read then");
  });

  test("keeps its facts when another instance changed something else", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    let nowMs = 0;
    const cache = createVersionedCache(own, { nowMs: () => nowMs }, { maxEntries: 10 });
    const load = countingLoad();
    await cache.get("a", load);
    await other.transaction((tx) =>
      tx.insertInto("leases").values({ name: "x", holder: "x", expires_at_ms: 0 }).execute(),
    );
    nowMs += 1_000;
    assert.deepEqual(await cache.get("a", load), { count: 1 });
  });

  test("keeps nothing past a change because the clock was set back", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    let nowMs = 100_000_000;
    const cache = createVersionedCache(own, { nowMs: () => nowMs }, { maxEntries: 10 });
    const load = countingLoad();
    await cache.get("a", load);
    await bump(other);
    nowMs -= 50_000_000;
    assert.deepEqual(await cache.get("a", load), { count: 2 });
  });

  test("does not keep what was read before a change and arrived after it", async (t) => {
    const database = await open(t);
    const cache = createVersionedCache(database, { nowMs: () => 0 }, { maxEntries: 10 });
    let arrive: (fact: { fact: string }) => void = () => {};
    let hasBegun: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      hasBegun = resolve;
    });
    const slow = cache.get("a", () => {
      hasBegun();
      return new Promise<{ fact: string }>((resolve) => {
        arrive = resolve;
      });
    });
    await begun;
    await bump(database);
    cache.changed();
    arrive({ fact: "of before" });
    assert.deepEqual(await slow, { fact: "of before" });
    assert.deepEqual(await cache.get("a", async () => ({ fact: "of after" })), { fact: "of after" });
  });

  test("answers nothing from memory when the version cannot be read", async (t) => {
    const database = await open(t);
    let nowMs = 0;
    const cache = createVersionedCache(
      { ...database, foreignChangeStamp: () => undefined },
      { nowMs: () => nowMs },
      { maxEntries: 10 },
    );
    await cache.get("a", countingLoad());
    nowMs += 1_000;
    await database.close();
    await assert.rejects(async () => cache.get("a", countingLoad()));
  });

  test("loses no change when several are made at once", async (t) => {
    const database = await open(t);
    const before = await readAccessVersion(database.read);
    await Promise.all(Array.from({ length: 20 }, () => bump(database)));
    assert.equal(await readAccessVersion(database.read), before + 20);
  });
});
