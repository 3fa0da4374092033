import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import { silentLog } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { openSqlite } from "./open-sqlite.ts";

interface Opened {
  readonly database: Database;
  readonly file: string;
}

async function openInFolder(t: TestContext): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-test-"));
  const file = join(folder, "entrepot.db");
  const database = await openSqlite(file, {
    url: `sqlite:${file}`,
    poolSize: 1,
    acquireTimeoutMs: 2000,
    log: silentLog,
  });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });
  return { database, file };
}

/** How many asynchronous file operations `work` begins; the only ones of a database are its flushes. */
async function countFileOperations(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === "FSREQPROMISE") count += 1;
    },
  }).enable();
  await work();
  hook.disable();
  return count;
}

test("flushes once for a durable commit, not at all for others, and together for those that come together", async (t) => {
  for (;;) {
    const openedAtMs = performance.now();
    const counts = await countFlushes(await openInFolder(t));
    // A second after the first commit the checkpointer looks at the log, which is a file operation, too.
    if (performance.now() - openedAtMs > 1_000) continue;
    const [durable, other, together = 0] = counts;
    assert.deepEqual([durable, other], [1, 0]);
    assert.ok(together >= 1 && together <= 10, `${together} flushes for 20 commits`);
    return;
  }
});

/** For one durable commit, for another, and for twenty durable ones that come together. */
async function countFlushes({ database }: Opened): Promise<readonly number[]> {
  let name = 0;
  const write = (durable: boolean): Promise<unknown> =>
    database.transaction(
      (tx) =>
        tx
          .insertInto("leases")
          .values({ name: `${name++}`, holder: "x", expires_at_ms: 0 })
          .execute(),
      { durable },
    );
  return [
    await countFileOperations(() => write(true)),
    await countFileOperations(() => write(false)),
    await countFileOperations(() => Promise.all(Array.from({ length: 20 }, () => write(true)))),
  ];
}

test("uses the write-ahead log, foreign keys, and a read connection that cannot write", async (t) => {
  const { database } = await openInFolder(t);
  const pragma = async (name: string): Promise<unknown> => {
    const { rows } = await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(database.read);
    return rows[0]?.[name];
  };
  assert.equal(await pragma("journal_mode"), "wal");
  assert.equal(await pragma("foreign_keys"), 1);
  assert.equal(await pragma("query_only"), 1);
});

test("leaves one sound file when closed, without its log", async (t) => {
  const { database, file } = await openInFolder(t);
  await database.transaction((tx) =>
    tx.insertInto("leases").values({ name: "a", holder: "x", expires_at_ms: 0 }).execute(),
  );
  await database.close();
  await database.close();
  assert.equal(existsSync(`${file}-wal`), false);
  const db = new DatabaseSync(file, { readOnly: true });
  assert.equal(db.prepare("pragma integrity_check").get()?.["integrity_check"], "ok");
  assert.equal(db.prepare("select count(*) as count from leases").get()?.["count"], 1);
  db.close();
});

test("a database in memory leaves nothing behind", async () => {
  const leftovers = (): readonly string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith(`entrepot-sqlite-${process.pid}-`));
  const options = { url: "sqlite::memory:", poolSize: 1, acquireTimeoutMs: 1000, log: silentLog };
  const database = await openSqlite(":memory:", options);
  assert.equal(leftovers().length, 1);
  await database.close();
  assert.deepEqual(leftovers(), []);
});
