import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, open as openHandle, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { silentLog } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { createCheckpointer } from "./checkpointer.ts";
import { openSqlite } from "./open-sqlite.ts";

/** Less than what makes the connection that commits do it. */
const writtenBytes = 12 << 20;

test("what was written gets into the database file by a thread, beside commits that go on", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "entrepot.db");
  const open = () =>
    openSqlite(file, { url: `sqlite:${file}`, poolSize: 1, acquireTimeoutMs: 10_000, log: silentLog });
  const openedAtMs = performance.now();
  const database = await open();
  const before = statSync(file).size;
  for (let n = 0; n < writtenBytes / 65_536; n++) {
    await writeLease(database, `${n}`);
    // The thread looks a second after the first commit, and on a slow machine it may be its turn by now.
    const isGrown = statSync(file).size >= before + writtenBytes / 2;
    assert.ok(!isGrown || performance.now() - openedAtMs > 1_000, "no commit makes a checkpoint by itself");
  }
  const deadline = performance.now() + 120_000;
  for (let n = 0; statSync(file).size < before + writtenBytes; n++) {
    assert.ok(performance.now() < deadline, "the log is never copied");
    await writeLease(database, `beside ${n}`);
    await wait(50);
  }
  await database.close();
  assert.ok(!existsSync(`${file}-wal`), "the thread's connection keeps no log behind");
  const again = await open();
  const { count } = await again.read
    .selectFrom("leases")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("name", "not like", "beside%")
    .executeTakeFirstOrThrow();
  assert.equal(Number(count), writtenBytes / 65_536);
  await again.close();
});

async function writeLease(database: Database, name: string): Promise<void> {
  await database.transaction(
    (tx) =>
      tx
        .insertInto("leases")
        .values({ name, holder: "x".repeat(65_536), expires_at_ms: 0 })
        .execute(),
    { durable: false },
  );
}

test("a commit that comes while the log is looked at is not forgotten", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "log");
  await writeFile(file, "");
  const handle = await openHandle(file, "r");
  t.after(() => handle.close());
  let looks = 0;
  const checkpointer = createCheckpointer(
    join(folder, "none.db"),
    {
      stat: async () => {
        looks += 1;
        checkpointer.committed();
        return handle.stat();
      },
    },
    silentLog,
  );
  t.after(() => checkpointer.close());
  checkpointer.committed();
  const deadline = performance.now() + 120_000;
  while (looks < 3) {
    assert.ok(performance.now() < deadline, `looked ${looks} times`);
    await wait(50);
  }
});
