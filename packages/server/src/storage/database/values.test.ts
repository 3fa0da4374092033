import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { Database, Tx } from "./database.ts";
import { eachDatabase } from "./testing/each-database.ts";
import { insertManifest, insertRepository } from "./testing/rows.ts";

async function insertEvent(tx: Tx, atMs: unknown, payload: unknown = "{}"): Promise<void> {
  await sql`insert into events (at_ms, kind, repository, actor, payload)
    values (${atMs}, 'manifest.pushed', null, 'test', ${payload})`.execute(tx);
}

eachDatabase((open) => {
  const refused: readonly (readonly [string, unknown])[] = [
    ["a Date", new Date(0)],
    ["undefined", undefined],
    ["an object", { a: 1 }],
    ["an array", [1]],
    ["a symbol", Symbol("a")],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a number beyond 2^53", 2 ** 53],
    ["a bigint beyond 2^53", 2n ** 53n],
  ];
  for (const [name, value] of refused) {
    test(`refuses ${name} as a parameter, stores nothing and stays usable`, async (t) => {
      const database = await open(t, { poolSize: 1 });
      await assert.rejects(
        database.transaction((tx) => insertEvent(tx, value)),
        (error) => error instanceof TypeError && error.message.startsWith("SQL parameter 1 is "),
      );
      await database.transaction((tx) => insertEvent(tx, 5));
      const rows = await database.read.selectFrom("events").select("at_ms").execute();
      assert.deepEqual(
        rows.map((row) => row.at_ms),
        [5],
      );
    });
  }

  test("does not repeat the refused value in the message", async (t) => {
    const database = await open(t);
    await assert.rejects(
      database.transaction((tx) => insertEvent(tx, 1, { password: "s3cret" })),
      (error) => error instanceof TypeError && !error.message.includes("s3cret"),
    );
  });

  test("stores numbers up to 2^53 - 1 exactly, bigints and booleans as numbers", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      for (const value of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 7n, true, false, 0]) {
        await insertEvent(tx, value);
      }
    });
    const rows = await database.read.selectFrom("events").select("at_ms").orderBy("id").execute();
    assert.deepEqual(
      rows.map((row) => row.at_ms),
      [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 7, 1, 0, 0],
    );
  });

  test("throws a RangeError instead of rounding a stored integer beyond 2^53, and stays usable", async (t) => {
    const database = await open(t, { poolSize: 1 });
    await database.transaction((tx) => sql`update counters set value = 9007199254740993`.execute(tx));
    const read = (): Promise<unknown> => database.read.selectFrom("counters").select("value").execute();
    await assert.rejects(read(), RangeError);
    await database.transaction((tx) => sql`update counters set value = 3`.execute(tx));
    assert.deepEqual(
      (await database.read.selectFrom("counters").select("value").execute()).map((row) => row.value),
      [3, 3],
    );
  });

  test("gives counts, sums and truth values as numbers", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await insertEvent(tx, 5_000_000_000);
      await insertEvent(tx, 6_000_000_000);
    });
    const { rows } = await sql<{ count: number; sum: number; yes: number; no: number }>`
      select count(*) as count, sum(at_ms) as sum, exists (select 1 from events) as yes,
        exists (select 1 from events where at_ms < 0) as no from events`.execute(database.read);
    assert.deepEqual({ ...rows[0] }, { count: 2, sum: 11_000_000_000, yes: 1, no: 0 });
  });

  test("orders and compares text by bytes", async (t) => {
    const database = await open(t);
    const names = [
      "a",
      "B",
      "a-b",
      "a.b",
      "a/b",
      "a_b",
      "ab",
      "Z",
      "é",
      "~",
      "0",
      "a0",
      "\u{1F600}",
      "\uFFFD",
    ];
    await database.transaction(async (tx) => {
      for (const name of names) {
        await tx.insertInto("leases").values({ name, holder: "x", expires_at_ms: 0 }).execute();
      }
    });
    const byBytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const all = await database.read.selectFrom("leases").select("name").orderBy("name").execute();
    assert.deepEqual(
      all.map((row) => row.name),
      byBytes,
    );
    const later = await database.read
      .selectFrom("leases")
      .select("name")
      .where("name", ">", "a-z")
      .orderBy("name")
      .execute();
    assert.deepEqual(
      later.map((row) => row.name),
      byBytes.filter((name) => Buffer.compare(Buffer.from(name), Buffer.from("a-z")) > 0),
    );
    const upper = await database.read.selectFrom("leases").select("name").where("name", "=", "A").execute();
    assert.deepEqual(upper, []);
  });

  test("returns bodies of 0, 1, 65,537 and 4,194,304 bytes as they were stored", async (t) => {
    const database = await open(t);
    const bodies = [0, 1, 65_537, 4_194_304].map((size) =>
      Buffer.alloc(size, "\u0000\u0001\u00fe\\x'", "latin1"),
    );
    await database.transaction(async (tx) => {
      const repositoryId = await insertRepository(tx, "a/b");
      for (const body of bodies)
        await insertManifest(tx, { repositoryId, digest: `sha256:${body.length}`, body });
    });
    for (const body of bodies) assert.ok(body.equals(await readBody(database, `sha256:${body.length}`)));
  });

  test("refuses a value of the wrong type instead of storing it", async (t) => {
    const database = await open(t);
    for (const value of ["yesterday", 1.5]) {
      await assert.rejects(database.transaction((tx) => insertEvent(tx, value)));
    }
    assert.deepEqual(await database.read.selectFrom("events").selectAll().execute(), []);
  });

  test("gives every row an id that was never given before, even after the newest was deleted", async (t) => {
    const database = await open(t);
    const insert = async (): Promise<number> =>
      database.transaction(async (tx) => {
        await insertEvent(tx, 1);
        return (await tx.selectFrom("events").select("id").orderBy("id", "desc").executeTakeFirstOrThrow())
          .id;
      });
    const first = await insert();
    await database.transaction((tx) => tx.deleteFrom("events").execute());
    assert.ok((await insert()) > first);
  });

  test("tells how many rows a statement changed", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await insertEvent(tx, 1);
      await insertEvent(tx, 2);
      const updated = await tx.updateTable("events").set({ actor: "b" }).executeTakeFirst();
      assert.equal(updated.numUpdatedRows, 2n);
      const deleted = await tx.deleteFrom("events").where("at_ms", "=", 1).executeTakeFirst();
      assert.equal(deleted.numDeletedRows, 1n);
      const none = await tx.deleteFrom("events").where("at_ms", "=", 1).executeTakeFirst();
      assert.equal(none.numDeletedRows, 0n);
    });
  });
});

async function readBody(database: Database, digest: string): Promise<Uint8Array> {
  const row = await database.read
    .selectFrom("manifests")
    .select("body")
    .where("digest", "=", digest)
    .executeTakeFirstOrThrow();
  return row.body;
}
