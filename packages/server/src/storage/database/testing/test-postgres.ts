import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { silentLog } from "../../../lib/log.ts";
import { openDatabase } from "../open-database.ts";
import { startPostgresCluster } from "./postgres-cluster.ts";

/** Databases of the test cluster. */
export interface TestPostgres {
  /** Makes a database, with all tables or with none, and tells its url. */
  create(content: "migrated" | "empty"): Promise<string>;
  /** Removes a database, whoever is still connected. */
  drop(url: string): Promise<void>;
  /** A migrated database without rows: one that was given back, or a new one. Copying the template takes 80 ms, emptying 5. */
  borrow(): Promise<string>;
  /** Empties a borrowed database for the next test. Its tables must be as they were. */
  giveBack(url: string): Promise<void>;
  /** Removes the databases that were given back. */
  close(): Promise<void>;
}

/** Uses the cluster that the test runner started, or starts one that ends with this process. */
export async function connectTestPostgres(): Promise<TestPostgres> {
  // oxlint-disable-next-line node/no-process-env -- see global-setup.ts
  const maintenanceUrl = process.env["ENTREPOT_TEST_POSTGRES_URL"] ?? (await startPostgresCluster()).url;
  const template = await ensureTemplate(maintenanceUrl);
  const spare: string[] = [];

  async function create(content: "migrated" | "empty"): Promise<string> {
    const name = `test_${randomBytes(8).toString("hex")}`;
    const source = content === "migrated" ? template : "template0";
    await execute(maintenanceUrl, [`create database ${name} template ${source}`]);
    return withDatabase(maintenanceUrl, name);
  }

  async function drop(url: string): Promise<void> {
    const name = /\/(test_[0-9a-f]+)/.exec(url)?.[1];
    if (name !== undefined) await execute(maintenanceUrl, [`drop database if exists ${name} with (force)`]);
  }

  return {
    create,
    drop,
    borrow: async () => spare.pop() ?? create("migrated"),
    async giveBack(url) {
      await execute(url, [terminateOthers, emptyAllTables]);
      spare.push(url);
    },
    async close() {
      for (const url of spare.splice(0)) await drop(url);
    },
  };
}

/** A test that failed half-way may have left a transaction that holds locks. */
const terminateOthers = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

/** To the state after the migrations. Not by TRUNCATE, which makes new files for each table and index and takes 90 ms. */
const emptyAllTables = `do $$
declare each text;
begin
  set local session_replication_role = replica; -- no foreign keys, so no order
  for each in select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname = 'public' and tablename not like 'kysely%' loop
    execute 'delete from ' || each;
  end loop;
  perform setval(format('%I.%I', schemaname, sequencename), 1, false) from pg_sequences where schemaname = 'public';
  insert into counters (name, value) values ('access', 0), ('decisions', 0);
end $$`;

/**
 * One migrated database per text of the migrations, from which the tests' databases are copied: much faster than migrating each.
 * The first test process makes it, the others wait.
 */
async function ensureTemplate(maintenanceUrl: string): Promise<string> {
  const name = `template_${hashOfMigrations()}`;
  const client = new Client({ connectionString: maintenanceUrl });
  await client.connect();
  try {
    await client.query("select pg_advisory_lock(1)");
    const { rows } = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (rows.length > 0) return name;
    const unfinished = `${name}_unfinished`;
    await execute(maintenanceUrl, [
      `drop database if exists ${unfinished} with (force)`,
      `create database ${unfinished} template template0`,
    ]);
    await migrateTemplate(withDatabase(maintenanceUrl, unfinished));
    await execute(maintenanceUrl, [`alter database ${unfinished} rename to ${name}`]);
    return name;
  } finally {
    await client.end(); // ends the lock, too
  }
}

function hashOfMigrations(): string {
  const folder = join(import.meta.dirname, "..", "migrations");
  const hash = createHash("sha256");
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, file)));
  return hash.digest("hex").slice(0, 16);
}

async function migrateTemplate(url: string): Promise<void> {
  const database = await openDatabase({ url, poolSize: 1, acquireTimeoutMs: 10_000, log: silentLog });
  await database.close();
}

function withDatabase(url: string, name: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^/]*)\/[^?]*/, `$1/${name}`);
}

/** Each statement by itself, as DDL of databases must be. Repeated while a connection to the template is just ending. */
async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await executeOnce(client, statement);
  } finally {
    await client.end();
  }
}

async function executeOnce(client: Client, statement: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query(statement);
      return;
    } catch (error) {
      const isInUse = error instanceof Error && "code" in error && error.code === "55006"; // object_in_use
      if (!isInUse || attempt === 1_500) throw error;
      await delay(20);
    }
  }
}
