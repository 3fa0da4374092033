import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext } from "node:test";
import { silentLog } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { openDatabase } from "../open-database.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { connectTestPostgres, type TestPostgres } from "./test-postgres.ts";

/** Opens a database with all tables and no rows that only this test sees; closed and removed after the test. */
export interface OpenTestDatabase {
  (t: TestContext, options?: Partial<OpenDatabaseOptions>): Promise<Database>;
  readonly engine: Database["engine"];
  /**
   * The url of a fresh database, for tests that open one themselves, several times perhaps (`open(t, { url })`). Migrated or, with
   * "empty", without any table. Removed after the test.
   */
  url(t: TestContext, content?: "migrated" | "empty"): Promise<string>;
}

/**
 * Registers the tests twice: over SQLite and over PostgreSQL. Every test of SQL runs so; what holds on one engine only is a bug.
 *
 *   eachDatabase((open) => {
 *     test("finds what was inserted", async (t) => {
 *       const database = await open(t);
 *       …
 *     });
 *   });
 */
export function eachDatabase(register: (open: OpenTestDatabase) => void): void {
  describe("on SQLite", () => register(opener("sqlite", sqliteUrl, async () => "sqlite::memory:")));
  describe("on PostgreSQL", () => {
    let connecting: Promise<TestPostgres> | undefined;
    const connect = (): Promise<TestPostgres> => {
      connecting ??= connectTestPostgres();
      return connecting;
    };
    after(async () => (await connecting)?.close());
    register(
      opener(
        "postgres",
        (t, content) => postgresUrl(connect, t, content),
        (t) => borrowedUrl(connect, t),
      ),
    );
  });
}

/** Runs in the opposite order: what was opened last is closed first. */
function createAfterTest(): (t: TestContext, step: () => Promise<void>) => void {
  const steps = new WeakMap<TestContext, (() => Promise<void>)[]>();
  return (t, step) => {
    const known = steps.get(t);
    if (known !== undefined) {
      known.unshift(step);
      return;
    }
    const own = [step];
    steps.set(t, own);
    t.after(async () => {
      for (const each of own) await each();
    });
  };
}

const afterTest = createAfterTest();

type MakeUrl = (t: TestContext, content: "migrated" | "empty") => Promise<string>;

/** `quickUrl` is for the many tests that only need rows; `makeUrl` for those that open one database several times. */
function opener(
  engine: Database["engine"],
  makeUrl: MakeUrl,
  quickUrl: (t: TestContext) => Promise<string>,
): OpenTestDatabase {
  const url = (t: TestContext, content: "migrated" | "empty" = "migrated"): Promise<string> =>
    makeUrl(t, content);
  const open = async (t: TestContext, options: Partial<OpenDatabaseOptions> = {}): Promise<Database> => {
    const database = await openDatabase({
      poolSize: 10,
      acquireTimeoutMs: 60_000,
      log: silentLog,
      ...options,
      url: options.url ?? (await quickUrl(t)),
    });
    afterTest(t, () => database.close());
    return database;
  };
  return Object.assign(open, { engine, url });
}

async function sqliteUrl(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-test-"));
  afterTest(t, () => rm(folder, { recursive: true, force: true }));
  return `sqlite:${join(folder, "entrepot.db")}`;
}

async function postgresUrl(
  connect: () => Promise<TestPostgres>,
  t: TestContext,
  content: "migrated" | "empty",
): Promise<string> {
  const postgres = await connect();
  const url = await postgres.create(content);
  afterTest(t, () => postgres.drop(url));
  return url;
}

async function borrowedUrl(connect: () => Promise<TestPostgres>, t: TestContext): Promise<string> {
  const postgres = await connect();
  const url = await postgres.borrow();
  afterTest(t, () => postgres.giveBack(url));
  return url;
}
