import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createMovableClock, type MovableClock } from "../testing/movable-clock.ts";
import { createSigningKeys } from "./signing-keys.ts";

const dayMs = 86_400_000;
const options = { rotationMs: 30 * dayMs, tokenLifetimeMs: 300_000 };

const keysOf = (database: Database, clock: MovableClock) => createSigningKeys(database, clock, options);

const countRows = async (database: Database) =>
  (await database.read.selectFrom("signing_keys").select("kid").execute()).length;

eachDatabase((open) => {
  test("makes one key for all instances, however many begin at once", async (t) => {
    const url = await open.url(t);
    const clock = createMovableClock();
    const databases = [await open(t, { url }), await open(t, { url }), await open(t, { url })];
    const instances = databases.map((database) => keysOf(database, clock));
    const signing = await Promise.all(instances.flatMap((keys) => [keys.current(), keys.current()]));
    assert.equal(new Set(signing.map(({ kid }) => kid)).size, 1);
    for (const database of databases) assert.equal(await countRows(database), 1);
  });

  test("verifies at once what another instance signed, the first token of all included", async (t) => {
    const url = await open.url(t);
    const clock = createMovableClock();
    const signer = keysOf(await open(t, { url }), clock);
    const verifier = keysOf(await open(t, { url }), clock);
    assert.equal(await verifier.find("unknown"), undefined);
    const { kid } = await signer.current();
    assert.notEqual(await verifier.find(kid), undefined);
  });

  test("rotates without a moment at which another instance refuses a good token", async (t) => {
    const url = await open.url(t);
    const clock = createMovableClock();
    const signer = keysOf(await open(t, { url }), clock);
    const verifier = keysOf(await open(t, { url }), clock);
    const used = new Set<string>();
    const look = async () => {
      // Whatever the verifier has just loaded: it does not look again for seconds.
      await verifier.find("unknown");
      const { kid } = await signer.current();
      used.add(kid);
      assert.notEqual(await verifier.find(kid), undefined, `key ${used.size} is known`);
    };
    await look();
    clock.move(30 * dayMs - 3_700_000);
    for (let step = 0; step < 300; step++) {
      await look();
      clock.move(20_000);
    }
    assert.equal(used.size, 2, "it did rotate");
  });

  test("makes one successor between instances that find the key retiring at once", async (t) => {
    const url = await open.url(t);
    const clock = createMovableClock();
    const databases = [await open(t, { url }), await open(t, { url })];
    const instances = databases.map((database) => keysOf(database, clock));
    await Promise.all(instances.map((keys) => keys.current()));
    clock.move(30 * dayMs - 1_000_000);
    await Promise.all(instances.flatMap((keys) => [keys.current(), keys.current()]));
    for (const database of databases) assert.equal(await countRows(database), 2);
  });

  test("signs with a new key when the old one retired while nobody came", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    const keys = keysOf(database, clock);
    const first = await keys.current();
    clock.move(30 * dayMs);
    const second = await keys.current();
    assert.notEqual(second.kid, first.kid);
    assert.notEqual(await keys.find(first.kid), undefined, "its last token may still be about");
    clock.move(2 * options.tokenLifetimeMs);
    assert.equal(await keys.find(first.kid), undefined);
    clock.move(30 * dayMs);
    await keys.current();
    assert.equal(await countRows(database), 1, "keys that verify nothing any more are removed");
  });

  test("lists all keys that verify, none that do not", async (t) => {
    const clock = createMovableClock();
    const keys = keysOf(await open(t), clock);
    const kids = async () => (await keys.jwks()).keys.map(({ kid }) => kid);
    const first = await keys.current();
    assert.deepEqual(await kids(), [first.kid]);
    clock.move(30 * dayMs - 1_000);
    assert.equal((await kids()).length, 2, "the successor is listed before it signs");
    clock.move(1_000 + 2 * options.tokenLifetimeMs);
    const left = await kids();
    assert.equal(left.length, 1);
    assert.ok(!left.includes(first.kid));
  });

  test("stops verifying within seconds with a key that was removed from the database", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    const keys = keysOf(database, clock);
    const { kid } = await keys.current();
    await database.transaction((tx) => tx.deleteFrom("signing_keys").execute());
    clock.move(5_000);
    assert.equal(await keys.find(kid), undefined);
    assert.notEqual((await keys.current()).kid, kid);
  });

  test("goes on signing with the key at hand while a successor cannot be stored", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    let isReadOnly = false;
    const keys = createSigningKeys(
      {
        ...database,
        transaction: (work, more) =>
          isReadOnly ? Promise.reject(new Error("read only")) : database.transaction(work, more),
      },
      clock,
      options,
    );
    const first = await keys.current();
    isReadOnly = true;
    clock.move(30 * dayMs - 1);
    assert.equal((await keys.current()).kid, first.kid);
    clock.move(1);
    await assert.rejects(keys.current(), { message: "read only" });
  });
});
