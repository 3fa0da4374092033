import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { Client } from "pg";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import { readMigrationStatus } from "../storage/database/migrate.ts";
import { openDatabase } from "../storage/database/open-database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { createInstance } from "./create-instance.ts";

const dumps = resolve(import.meta.dirname, "../storage/database/testing/upgrade");
const migrations = resolve(import.meta.dirname, "../storage/database/migrations");

/** Fills an empty database with what an earlier version left, schema and all. */
async function restore(engine: "sqlite" | "postgres", url: string): Promise<void> {
  const dump = await readFile(join(dumps, `schema-0010.${engine}.sql`), "utf8");
  if (engine === "sqlite") {
    const database = new DatabaseSync(url.slice("sqlite:".length));
    database.exec(dump);
    database.close();
    return;
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(dump);
  await client.end();
}

async function start(t: TestContext, url: string, settings: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-upgrade-"));
  const config = await loadConfig({
    ENTREPOT_HOST: "127.0.0.1",
    ENTREPOT_PORT: "0",
    ENTREPOT_DATA_DIR: folder,
    ENTREPOT_DATABASE_URL: url,
    ENTREPOT_SECRET_KEY: "ab".repeat(32),
    ...settings,
  });
  const instance = await createInstance(config, silentLog);
  t.after(async () => {
    await instance.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const authorization = `Basic ${Buffer.from("admin:correct-horse-battery").toString("base64")}`;
  return async (path: string) => {
    const reply = await fetch(`http://127.0.0.1:${instance.port}${path}`, { headers: { authorization } });
    const text = await reply.text();
    assert.equal(reply.status, 200, `${path}: ${text}`);
    const value: unknown = JSON.parse(text);
    assert.ok(isObject(value));
    return value;
  };
}

eachDatabase((open) => {
  test("what an earlier version left is there after the upgrade, and whoever could sign in still can", async (t) => {
    const url = await open.url(t, "empty");
    await restore(open.engine, url);
    const get = await start(t, url);
    const manifest = await get("/v2/acme/app/manifests/v1");
    assert.equal(manifest["schemaVersion"], 2);
    assert.match(JSON.stringify(await get("/api/v1/organizations")), /"acme"/);
    assert.match(JSON.stringify(await get("/api/v1/organizations/acme/teams")), /"release"/);
    assert.match(JSON.stringify(await get("/api/v1/organizations/acme/robots")), /ci/);
    assert.match(JSON.stringify(await get("/api/v1/audit")), /organization\.create/);
    assert.match(JSON.stringify(await get("/v2/acme/app/tags/list")), /"v1"/);
  });

  test("instances that start together on an old database upgrade it once, and all work", async (t) => {
    const url = await open.url(t, "empty");
    await restore(open.engine, url);
    const lines: string[] = [];
    const log = { ...silentLog, info: (fields: object) => lines.push(JSON.stringify(fields)) };
    const openOne = () => openDatabase({ url, poolSize: 2, acquireTimeoutMs: 60_000, log });
    const opened = await Promise.all([openOne(), openOne(), openOne()]);
    for (const database of opened) {
      assert.deepEqual((await readMigrationStatus(database.read)).pending, []);
      await database.close();
    }
    const ran = lines.filter((line) => line.includes("migration"));
    assert.ok(ran.length > 0);
    assert.equal(new Set(ran).size, ran.length, "none was run twice");
  });

  test("who may not migrate says what is missing and changes nothing; once it is done, they start", async (t) => {
    const url = await open.url(t, "empty");
    await restore(open.engine, url);
    const off = { ENTREPOT_DATABASE_MIGRATE: "off" };
    await assert.rejects(start(t, url, off), {
      code: "UNAVAILABLE",
      message: /lacks \d+ migrations .*0014-jobs.*entrepot migrate up/,
    });
    const look = await openDatabase({
      url,
      poolSize: 1,
      acquireTimeoutMs: 60_000,
      log: silentLog,
      migrate: "look",
    });
    const status = await readMigrationStatus(look.read);
    await look.close();
    assert.ok(status.pending.includes("0014-jobs") && status.done.includes("0010-decision-points"));
    await (await openDatabase({ url, poolSize: 1, acquireTimeoutMs: 60_000, log: silentLog })).close();
    const get = await start(t, url, off);
    assert.equal((await get("/v2/acme/app/manifests/v1"))["schemaVersion"], 2);
  });
});

test("migrations after the first release candidate only add: the version before works with what they leave", () => {
  const files = readdirSync(migrations).filter((file) => /^\d{4}-.*\.ts$/.test(file) && file > "0011");
  assert.ok(files.length > 0);
  for (const file of files) {
    const text = readFileSync(join(migrations, file), "utf8");
    // What is left of an expansion goes in a later release, in a migration that says so in its name.
    if (file.includes("-contract-")) continue;
    assert.doesNotMatch(text, /\bdrop (?:table|column)\b|\brename (?:to|column)\b/i, file);
    for (const [statement] of text.matchAll(/alter table \w+ add column [^`"]*/g)) {
      const isFine = !/not null/i.test(statement) || /default/i.test(statement);
      assert.ok(
        isFine,
        `${file}: the version before does not fill a column that must not be null: ${statement}`,
      );
    }
  }
});
