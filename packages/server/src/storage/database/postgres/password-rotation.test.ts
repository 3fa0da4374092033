import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sql } from "kysely";
import { Client } from "pg";
import { silentLog } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { openDatabase } from "../open-database.ts";
import { startPostgresCluster } from "../testing/postgres-cluster.ts";

/** So many statements at the same time, each on a connection of its own. */
function together(database: Database, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => sql`select pg_sleep(0.2)`.execute(database.read)));
}

test("a password that the server checks (SCRAM) changes while statements run, and none of them fails", async (t) => {
  const cluster = await startPostgresCluster();
  t.after(() => cluster.stop());
  const folder = await mkdtemp(join(tmpdir(), "entrepot-rotation-"));
  t.after(() => rm(folder, { recursive: true }));
  const host = new URLSearchParams(cluster.url.split("?")[1]).get("host") ?? "";
  const administrator = new Client({ connectionString: cluster.url });
  await administrator.connect();
  administrator.on("error", () => {}); // the restart below ends it
  t.after(() => administrator.end());
  const setPassword = (password: string) => administrator.query(`alter role registry password '${password}'`);
  await administrator.query("set password_encryption = 'scram-sha-256'");
  await administrator.query("create role registry login");
  await setPassword("first");
  await administrator.query("create database registry owner registry");
  const { rows } = await administrator.query("select current_setting('hba_file') as file");
  await writeFile(rows[0].file, "local all postgres trust\nlocal all all scram-sha-256\n");
  await administrator.query("select pg_reload_conf()");

  const passwordFile = join(folder, "password");
  const options = {
    url: `postgres://registry@/registry?host=${encodeURIComponent(host)}`,
    passwordFile,
    poolSize: 6,
    acquireTimeoutMs: 5_000,
    log: silentLog,
  };
  await writeFile(passwordFile, "wrong\n");
  await assert.rejects(openDatabase(options), {
    code: "UNAVAILABLE",
    message: "the database refuses the user or the password",
  });
  await writeFile(passwordFile, "first\n");
  const database = await openDatabase(options);
  t.after(() => database.close());

  let isOver = false;
  let statements = 0;
  const busy = (async () => {
    for (; !isOver; statements++) await sql`select 1`.execute(database.read);
  })();
  await together(database, 2);
  // The file first: connections that are open go on, and new ones are made at any time.
  await Promise.all([writeFile(passwordFile, "second\n"), setPassword("second")]);
  await together(database, 5);
  isOver = true;
  await busy;
  assert.ok(statements > 10, `${statements}`);

  // Everything is signed in to anew after a restart of the server: what is used is the new password.
  await cluster.restart();
  const deadline = performance.now() + 60_000;
  let signedIn = false;
  while (!signedIn && performance.now() < deadline) {
    signedIn = await together(database, 3).then(
      () => true,
      () => false,
    );
  }
  assert.ok(signedIn, "the new password is used after the server's restart");
});
