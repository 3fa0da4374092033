import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../../lib/log.ts";
import { openDatabase } from "../open-database.ts";
import { insertRepository } from "../testing/rows.ts";

async function openFile(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-moved-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "entrepot.db");
  const open = (migrate: "auto" | "look") =>
    openDatabase({ url: `sqlite:${file}`, poolSize: 1, acquireTimeoutMs: 5_000, log: silentLog, migrate });
  return { file, open };
}

test("a SQLite database that has moved is read, refuses writes, and is not started with", async (t) => {
  const { file, open } = await openFile(t);
  const database = await open("auto");
  t.after(() => database.close());
  await database.transaction((tx) => insertRepository(tx, "acme/app"));
  const other = new DatabaseSync(file);
  other.exec(`create table database_move (id text, target text, is_moved integer) strict;
    create trigger database_move_any after insert on repositories when exists (select 1 from database_move where is_moved)
      begin select raise(abort, 'the database has moved to PostgreSQL'); end;
    insert into database_move values ('a', 'postgres://db/entrepot', 0)`);
  assert.equal(database.hasMoved(), false);
  await database.transaction((tx) => insertRepository(tx, "acme/during"));
  other.exec("update database_move set is_moved = 1");
  assert.equal(database.hasMoved(), true);
  await assert.rejects(
    database.transaction((tx) => insertRepository(tx, "acme/after")),
    { code: "UNAVAILABLE", message: /has moved to PostgreSQL.*ENTREPOT_DATABASE_URL/ },
  );
  const names = await database.read.selectFrom("repositories").select("name").orderBy("name").execute();
  assert.deepEqual(
    names.map(({ name }) => name),
    ["acme/app", "acme/during"],
  );
  await assert.rejects(open("auto"), {
    code: "UNAVAILABLE",
    message: /ENTREPOT_DATABASE_URL=postgres:\/\/db\/entrepot/,
  });
  await (await open("look")).close();
  other.exec("update database_move set is_moved = 0");
  assert.equal(database.hasMoved(), false);
  await (await open("auto")).close();
  other.close();
});
