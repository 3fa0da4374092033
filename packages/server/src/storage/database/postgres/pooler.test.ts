import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { silentLog } from "../../../lib/log.ts";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import type { Database } from "../database.ts";
import { openDatabase } from "../open-database.ts";
import { sendNotice } from "../send-notice.ts";
import { connectTestPostgres } from "../testing/test-postgres.ts";

const program = "/usr/sbin/pgbouncer";
const needed = {
  skip:
    process.getuid?.() !== 0
      ? "PgBouncer is started as another user, by root"
      : !existsSync(program) && "PgBouncer is not installed: apt-get install pgbouncer",
};

test("behind PgBouncer that pools sessions everything works, as the guide sets it up", needed, async (t) => {
  const first = await openThroughPooler(t);
  const second = await openDatabase({ ...first.options });
  t.after(() => second.close());
  await first.database.transaction((tx) =>
    tx.insertInto("leases").values({ name: "a", holder: "b", expires_at_ms: 1 }).execute(),
  );
  // More often than there are connections: prepared statements are used again.
  for (let round = 0; round < 20; round++) {
    const rows = await second.read.selectFrom("leases").select("holder").execute();
    assert.deepEqual(rows, [{ holder: "b" }]);
  }
  await first.database.probe(5_000);
  await untilListening(second);
  const before = second.noticeStamp("removal");
  await first.database.transaction((tx) => sendNotice(tx, "removal"));
  const toldAtMs = performance.now();
  while (second.noticeStamp("removal") === before) {
    assert.ok(performance.now() - toldAtMs < 60_000, "the news does not arrive");
    await delay(20);
  }
});

test("a statement that takes long is left alone there, too", needed, async (t) => {
  const { database } = await openThroughPooler(t);
  await sql`select pg_sleep(5)`.execute(database.read);
});

async function openThroughPooler(t: TestContext) {
  const postgres = await connectTestPostgres();
  const url = await postgres.create("migrated");
  const socket = new URLSearchParams(url.split("?")[1]).get("host") ?? "";
  const name = /\/(test_\w+)/.exec(url)?.[1] ?? "";
  const folder = await mkdtemp(join(tmpdir(), "entrepot-pgbouncer-"));
  const port = await freePorts(1);
  const file = join(folder, "pgbouncer.ini");
  await writeFile(
    file,
    `[databases]
* = host=${socket} port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = session
ignore_startup_parameters = options,statement_timeout,idle_in_transaction_session_timeout
logfile = ${join(folder, "log")}
`,
  );
  const { uid, gid } = await stat(socket);
  for (const path of [folder, file]) await chown(path, uid, gid);
  const pooler = spawn(program, ["-q", file], { uid, gid, stdio: "ignore" });
  const options = {
    url: `postgres://postgres@127.0.0.1:${port}/${name}`,
    poolSize: 3,
    acquireTimeoutMs: 10_000,
    log: silentLog,
  };
  const database = await openWhenReady(options);
  t.after(async () => {
    await database.close();
    const gone = once(pooler, "exit");
    pooler.kill("SIGTERM");
    await gone;
    await postgres.drop(url);
    await postgres.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { database, options };
}

async function openWhenReady(options: Parameters<typeof openDatabase>[0]): Promise<Database> {
  for (let tries = 0; ; tries++) {
    try {
      return await openDatabase(options);
    } catch (error) {
      if (tries === 300) throw error;
      await delay(100);
    }
  }
}

async function untilListening(database: Database): Promise<void> {
  for (let tries = 0; database.noticeStamp("removal") === undefined; tries++) {
    assert.ok(tries < 1_200, "it does not listen");
    await delay(50);
  }
}
