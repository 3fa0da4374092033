import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { AppError } from "../../lib/app-error.ts";
import type { Queryable, Tx } from "./database.ts";
import { isUniqueViolation } from "./database-error.ts";
import { commitTogether, sendTogether } from "./send-together.ts";
import { eachDatabase } from "./testing/each-database.ts";

const lease = (db: Queryable, name: string) =>
  db.insertInto("leases").values({ name, holder: "test", expires_at_ms: 1 }).returning("name");
const names = (db: Queryable) => db.selectFrom("leases").select("name").orderBy("name");
const counter = (db: Queryable) => db.selectFrom("counters").select("value").where("name", "=", "access");

async function stored(db: Queryable): Promise<readonly string[]> {
  return (await names(db).execute()).map((row) => row.name);
}

/** node:sqlite makes rows without a prototype. */
const plain = (rows: unknown): unknown => JSON.parse(JSON.stringify(rows));

eachDatabase((open) => {
  test("tells the rows of each statement, which sees what those before it did", async (t) => {
    const database = await open(t);
    const rows = await database.transaction((tx) =>
      sendTogether(tx, [names(tx), lease(tx, "a"), names(tx), counter(tx), lease(tx, "b"), names(tx)]),
    );
    assert.deepEqual(plain(rows), [
      [],
      [{ name: "a" }],
      [{ name: "a" }],
      [{ value: 0 }],
      [{ name: "b" }],
      [{ name: "a" }, { name: "b" }],
    ]);
    const read = await sendTogether(database.read, [names(database.read), counter(database.read)]);
    assert.deepEqual(plain(read), [[{ name: "a" }, { name: "b" }], [{ value: 0 }]]);
    assert.deepEqual(await database.transaction((tx) => sendTogether(tx, [])), []);
  });

  test("commits with the last statements, and refuses any after them", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await sendTogether(tx, [lease(tx, "a")]);
      return commitTogether(tx, [lease(tx, "b"), lease(tx, "c")]);
    });
    await database.transaction((tx) => commitTogether(tx, [lease(tx, "d")]), { durable: false });
    assert.deepEqual(await stored(database.read), ["a", "b", "c", "d"]);
    await assert.rejects(
      database.transaction(async (tx) => {
        await commitTogether(tx, []);
        await lease(tx, "late").execute();
      }),
      /has been committed/,
    );
    assert.deepEqual(await stored(database.read), ["a", "b", "c", "d"]);
  });

  test("carries out all or none, whichever statement fails", async (t) => {
    const database = await open(t, { poolSize: 1 });
    const taken = "taken";
    await database.transaction((tx) => commitTogether(tx, [lease(tx, taken)]));
    const works: readonly ((tx: Tx) => Promise<unknown>)[] = [
      (tx) => commitTogether(tx, [lease(tx, taken), lease(tx, "a")]),
      (tx) => commitTogether(tx, [lease(tx, "a"), lease(tx, taken), lease(tx, "b")]),
      (tx) => commitTogether(tx, [lease(tx, "a"), lease(tx, taken)]),
      async (tx) => {
        await sendTogether(tx, [lease(tx, "a"), names(tx)]);
        await commitTogether(tx, [lease(tx, "b"), lease(tx, taken)]);
      },
    ];
    for (const work of works) {
      await assert.rejects(database.transaction(work), isUniqueViolation);
      await assert.rejects(database.transaction(work, { durable: false }), isUniqueViolation);
      assert.deepEqual(await stored(database.read), [taken]);
    }
    await assert.rejects(
      database.transaction(async (tx) => {
        await assert.rejects(sendTogether(tx, [lease(tx, "a"), lease(tx, taken)]), isUniqueViolation);
      }),
      /transaction has failed/,
      "an error that was swallowed",
    );
    await database.transaction((tx) => commitTogether(tx, [lease(tx, "b")]));
    assert.deepEqual(await stored(database.read), ["b", taken]);
  });

  test("sends nothing when one of the statements is refused before", async (t) => {
    let refused = "";
    const sent: string[] = [];
    const database = await open(t, {
      poolSize: 1,
      onQuery: (text) => {
        sent.push(text.split(" ")[0] ?? "");
        if (refused !== "" && text.startsWith(refused)) throw new Error("injected");
      },
    });
    for (const [durable, text] of [
      [true, "begin"],
      [true, "insert"],
      [true, "select"],
      [true, "commit"],
      [false, "commit"],
    ] as const) {
      refused = text;
      await assert.rejects(
        database.transaction((tx) => commitTogether(tx, [lease(tx, "a"), names(tx)]), { durable }),
        /injected/,
        text,
      );
      refused = "";
      assert.deepEqual(await stored(database.read), []);
    }
    sent.length = 0;
    await database.transaction((tx) => commitTogether(tx, [lease(tx, "a"), names(tx)]));
    assert.deepEqual(sent, ["begin", "insert", "select", "commit"]);
    await assert.rejects(
      database.transaction((tx) =>
        commitTogether(tx, [lease(tx, "b"), lease(tx, "c").returning("nope" as "name")]),
      ),
      (error) => !(error instanceof AppError),
    );
    assert.deepEqual(await stored(database.read), ["a"]);
  });

  test("an answer that cannot be read never makes what was carried out look as if it had failed", async (t) => {
    const database = await open(t, { poolSize: 1 });
    const tooLarge = (tx: Queryable, name: string) =>
      lease(tx, name).returning(sql<number>`9007199254740993`.as("large"));
    const outcomes = [
      () => database.transaction((tx) => commitTogether(tx, [lease(tx, "a"), tooLarge(tx, "b")])),
      () => database.transaction((tx) => sendTogether(tx, [lease(tx, "c"), tooLarge(tx, "d")])),
    ];
    for (const work of outcomes) {
      const before = await stored(database.read);
      const error: unknown = await work().then(
        () => assert.fail("it must fail"),
        (thrown: unknown) => thrown,
      );
      const isCarriedOut = (await stored(database.read)).length > before.length;
      const isToldSo = error instanceof AppError && error.message.startsWith("the change was made");
      assert.equal(isToldSo, isCarriedOut, String(error));
      if (isToldSo) assert.deepEqual([error.code, error.retryAfterSeconds], ["INTERNAL", undefined]);
      await database.transaction((tx) => lease(tx, `usable ${before.length}`).execute());
    }
  });

  test("runs many at once, prepared and not", async (t) => {
    const database = await open(t, { poolSize: 3 });
    const many = Array.from({ length: 40 }, (_, index) => `lease ${index}`);
    await Promise.all(
      Array.from({ length: 20 }, (_, round) =>
        database.transaction(async (tx) => {
          const unprepared = tx.selectFrom("leases").select("name").where("name", "in", many);
          const [none] = await sendTogether(tx, [
            unprepared.where("name", "=", "x"),
            counter(tx),
            counter(tx),
          ]);
          assert.deepEqual(none, []);
          await commitTogether(tx, [lease(tx, `${round} a`), lease(tx, `${round} b`)]);
        }),
      ),
    );
    assert.equal((await stored(database.read)).length, 40);
  });
});
