import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { NoticeTopic } from "./notice-topics.ts";
import { sendNotice } from "./send-notice.ts";
import { eachDatabase } from "./testing/each-database.ts";

/** The stamp once it is not `before`; fails after `limitMs`. */
async function nextStamp(
  database: Database,
  topic: NoticeTopic,
  before: number | undefined,
  limitMs = 3_000,
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

eachDatabase((open) => {
  test("a notice of one instance reaches the others after the commit, and not after a rollback", async (t) => {
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    await nextStamp(own, "removal", undefined);
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
    const url = await open.url(t);
    const own = await open(t, { url });
    const other = await open(t, { url });
    const access = await nextStamp(own, "access", undefined);
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
    const url = await open.url(t);
    const own = await open(t, { url });
    await nextStamp(own, "removal", undefined);
    const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and query = 'select 1'`.execute(
      own.read,
    );
    const [listener] = rows;
    assert.ok(listener !== undefined);
    // As a network that is cut: the server's process is there and says nothing.
    process.kill(listener.pid, "SIGSTOP");
    try {
      assert.equal(await nextStamp(own, "removal", own.noticeStamp("removal"), 3_200), undefined);
    } finally {
      process.kill(listener.pid, "SIGCONT");
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
    await database.probe(1_000);
    end.resolve();
    await held;
  });
});
