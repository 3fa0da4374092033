import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { NoticeTopic } from "./notice-topics.ts";
import { sendNotice } from "./send-notice.ts";
import { eachDatabase, type OpenTestDatabase } from "./testing/each-database.ts";

/** The stamp once it is not `before`; fails after `limitMs`. */
async function nextStamp(
  database: Database,
  topic: NoticeTopic,
  before: number | undefined,
  limitMs = 30_000,
): Promise<number | undefined> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const stamp = database.noticeStamp(topic);
    if (stamp !== before) return stamp;
    assert.ok(performance.now() < endMs, `no change of ${topic} within ${limitMs} ms`);
    await delay(2);
  }
}

const tell = (database: Database, topic: NoticeTopic) =>
  database.transaction(async (tx) => {
    await sendNotice(tx, topic);
    await tx.insertInto("leases").values({ name: "x", holder: "x", expires_at_ms: 0 }).execute();
    await tx.deleteFrom("leases").execute();
  });

/** The server's processes of the connections that listen. */
async function listenersOf(database: Database): Promise<readonly number[]> {
  const { rows } = await sql<{ pid: number }>`select pid from pg_locks
    where locktype = 'advisory' and mode = 'ShareLock'
      and database = (select oid from pg_database where datname = current_database())`.execute(database.read);
  return rows.map(({ pid }) => pid);
}

/** Two instances of one database, both of which listen already. */
async function openInstances(
  open: OpenTestDatabase,
  t: TestContext,
): Promise<{ readonly own: Database; readonly other: Database }> {
  const url = await open.url(t);
  const own = await open(t, { url });
  const other = await open(t, { url });
  for (const each of [own, other]) await nextStamp(each, "removal", undefined);
  return { own, other };
}

/** Two instances, and the server's process of the connection on which `other` listens: it listened before there was another. */
async function openWithListener(open: OpenTestDatabase, t: TestContext) {
  const url = await open.url(t);
  const other = await open(t, { url });
  await nextStamp(other, "removal", undefined);
  const [listener] = await listenersOf(other);
  assert.ok(listener !== undefined);
  return { own: await open(t, { url }), other, listener };
}

/** Stops the process while `work` runs, as a network that is cut does: it is there and says nothing. `goOn` lets it go on before the end. */
async function whileSilent(listener: number, work: (goOn: () => void) => Promise<void>): Promise<void> {
  const goOn = () => void process.kill(listener, "SIGCONT");
  process.kill(listener, "SIGSTOP");
  try {
    await work(goOn);
  } finally {
    goOn();
  }
}

eachDatabase((open) => {
  test("a notice of one instance reaches the others after the commit, and not after a rollback", async (t) => {
    const { own, other } = await openInstances(open, t);
    const before = own.noticeStamp("removal");
    const rolledBack = other.transaction(async (tx) => {
      await sendNotice(tx, "removal");
      throw new Error("no");
    });
    await assert.rejects(rolledBack, /no/);
    await delay(50);
    assert.equal(own.noticeStamp("removal"), before);
    const startMs = performance.now();
    await tell(other, "removal");
    await nextStamp(own, "removal", before);
    t.diagnostic(`noticed ${(performance.now() - startMs).toFixed(1)} ms after the change began`);
  });

  if (open.engine === "sqlite") return;

  test("tells topics apart", async (t) => {
    const { own, other } = await openInstances(open, t);
    const access = own.noticeStamp("access");
    const removal = own.noticeStamp("removal");
    await tell(other, "removal");
    await nextStamp(own, "removal", removal);
    assert.equal(own.noticeStamp("access"), access);
  });

  test("nothing is relied on while it does not listen, and everything has changed when it listens again", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const before = await nextStamp(own, "removal", undefined);
    const access = own.noticeStamp("access");
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
      .execute(own.read)
      .catch(() => undefined);
    assert.equal(await nextStamp(own, "removal", before), undefined);
    const after = await nextStamp(own, "removal", undefined);
    assert.notEqual(after, before);
    assert.notEqual(own.noticeStamp("access"), access);
  });

  test("a listener that is stopped without a word is not relied on for longer than three seconds", async (t) => {
    const { other, listener } = await openWithListener(open, t);
    await whileSilent(listener, async () => {
      assert.equal(await nextStamp(other, "removal", other.noticeStamp("removal"), 3_200), undefined);
    });
  });

  test("whoever waits until all have heard waits for the slowest, and no longer", async (t) => {
    const { own, other, listener } = await openWithListener(open, t);
    const before = other.noticeStamp("removal");
    let isHeard = false;
    await whileSilent(listener, async (goOn) => {
      await tell(own, "removal");
      const heard = Promise.all(Array.from({ length: 5 }, () => own.heardByAll())).then(() => {
        isHeard = true;
      });
      await delay(300);
      assert.equal(isHeard, false);
      goOn();
      await heard;
    });
    assert.notEqual(other.noticeStamp("removal"), before, "dropped before it answered");
    const startMs = performance.now();
    for (let round = 0; round < 50; round += 1) {
      await tell(own, "removal");
      await own.heardByAll();
    }
    t.diagnostic(`a notice and the answer of two: ${((performance.now() - startMs) / 50).toFixed(2)} ms`);
  });

  test("one that has stopped without a word is waited for until it relies on nothing any more", async (t) => {
    const { own, other, listener } = await openWithListener(open, t);
    const before = other.noticeStamp("removal");
    await whileSilent(listener, async () => {
      await tell(own, "removal");
      await own.heardByAll();
      assert.notEqual(other.noticeStamp("removal"), before);
    });
  });

  test("many that ask at once are answered, and no connection is asked while it is being asked", async (t) => {
    const warnings: string[] = [];
    const onWarning = ({ message }: Error) => void warnings.push(message);
    process.on("warning", onWarning);
    t.after(() => process.off("warning", onWarning));
    const url = await open.url(t);
    const all = await Promise.all(Array.from({ length: 4 }, () => open(t, { url })));
    for (const each of all) await nextStamp(each, "removal", undefined);
    for (let round = 0; round < 10; round += 1) {
      const before = all.map((each) => each.noticeStamp("removal"));
      await Promise.all(all.map((each) => tell(each, "removal")));
      await Promise.all(all.map((each) => each.heardByAll()));
      for (const [index, each] of all.entries()) assert.notEqual(each.noticeStamp("removal"), before[index]);
    }
    await delay(10);
    assert.deepEqual(warnings, []);
  });

  test("waiting for others survives a connection that breaks meanwhile", async (t) => {
    const { own, other } = await openInstances(open, t);
    for (let round = 0; round < 5; round += 1) {
      const before = other.noticeStamp("removal");
      await tell(own, "removal");
      const heard = own.heardByAll();
      await sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
        and database = (select oid from pg_database where datname = current_database())`.execute(own.read);
      await heard;
      assert.notEqual(other.noticeStamp("removal"), before);
      await nextStamp(other, "removal", undefined);
    }
  });

  test("a probe is answered while every connection of the pool is taken", async (t) => {
    const database = await open(t, { poolSize: 1 });
    const end = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const held = database.transaction(async (tx) => {
      await tx.selectFrom("leases").selectAll().execute();
      begun.resolve();
      await end.promise;
    });
    await begun.promise;
    await database.probe(20_000);
    end.resolve();
    await held;
  });
});
