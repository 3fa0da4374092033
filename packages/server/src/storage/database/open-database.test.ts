import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { sql } from "kysely";
import { AppError } from "../../lib/app-error.ts";
import { silentLog } from "../../lib/log.ts";
import { openDatabase } from "./open-database.ts";
import { eachDatabase } from "./testing/each-database.ts";

const settings = { poolSize: 2, acquireTimeoutMs: 20_000, log: silentLog };

function hasCode(code: AppError["code"], message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

for (const url of [
  "",
  "sqlite:",
  "sqlite://host/a.db",
  "mysql://root@host/db",
  "/var/lib/a.db",
  "postgres:db",
]) {
  test(`refuses the url "${url}" and says how one looks`, async () => {
    await assert.rejects(openDatabase({ ...settings, url }), hasCode("REQUEST_INVALID", /sqlite:\/var/));
  });
}

test("refuses a malformed PostgreSQL url without repeating its password", async () => {
  await assert.rejects(
    openDatabase({ ...settings, url: "postgres://user:s3cret@host:notaport/db" }),
    (error: unknown) => {
      assert.ok(hasCode("REQUEST_INVALID", /malformed/)(error));
      assert.doesNotMatch(JSON.stringify(error, Object.getOwnPropertyNames(error)), /s3cret/);
      assert.equal(error instanceof Error && error.cause, undefined);
      return true;
    },
  );
});

test("says that an unreachable server is unavailable, without its password", async () => {
  await assert.rejects(
    openDatabase({ ...settings, url: "postgres://user:s3cret@127.0.0.1:1/db" }),
    (error: unknown) => {
      assert.ok(hasCode("UNAVAILABLE", /does not answer/)(error));
      assert.doesNotMatch(String(error) + JSON.stringify(error), /s3cret/);
      return true;
    },
  );
});

eachDatabase((open) => {
  test("makes all tables in an empty database and keeps what was stored when opened again", async (t) => {
    const url = await open.url(t, "empty");
    const first = await openDatabase({ ...settings, url });
    await first.transaction(async (tx) => {
      await tx.insertInto("leases").values({ name: "collector", holder: "a", expires_at_ms: 1 }).execute();
    });
    await first.close();
    const second = await open(t, { url });
    const rows = await second.read.selectFrom("leases").select(["name", "holder"]).execute();
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [{ name: "collector", holder: "a" }],
    );
    const counters = await second.read.selectFrom("counters").selectAll().orderBy("name").execute();
    assert.deepEqual(
      counters.map((row) => ({ ...row })),
      [
        { name: "access", value: 0 },
        { name: "decisions", value: 0 },
      ],
    );
  });

  test("migrates once when several open an empty database at the same time", async (t) => {
    const url = await open.url(t, "empty");
    const opened = await Promise.all(Array.from({ length: 3 }, () => openDatabase({ ...settings, url })));
    try {
      const [first] = opened;
      assert.ok(first !== undefined);
      assert.equal((await first.read.selectFrom("counters").selectAll().execute()).length, 2);
    } finally {
      await Promise.all(opened.map((database) => database.close()));
    }
  });

  test("refuses a database that a newer version has migrated, and changes nothing in it", async (t) => {
    const url = await open.url(t);
    const database = await open(t, { url });
    await database.transaction(async (tx) => {
      await sql`insert into kysely_migration (name, timestamp) values ('9999-later', '2999-01-01')`.execute(
        tx,
      );
    });
    await assert.rejects(
      openDatabase({ ...settings, url }),
      hasCode("UNAVAILABLE", /newer version of entrepot \(9999-later\)/),
    );
    assert.equal((await database.read.selectFrom("counters").selectAll().execute()).length, 2);
  });

  test("answers a probe, and not any more once closed", async (t) => {
    const database = await open(t);
    await database.probe(20_000);
    await database.close();
    await assert.rejects(database.probe(1000));
    await assert.rejects(database.transaction(async () => {}));
  });

  test("answers a probe in time while every connection for writing is taken", async (t) => {
    const database = await open(t, { poolSize: 1, acquireTimeoutMs: 60_000 });
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const held = database.transaction(async (tx) => {
      await tx.selectFrom("leases").selectAll().execute();
      begun.resolve();
      await end.promise;
    });
    await begun.promise;
    const startMs = performance.now();
    await database.probe(20_000);
    assert.ok(performance.now() - startMs < 30_000, "long before a connection would have been waited for");
    end.resolve();
    await held;
    await database.probe(20_000);
  });

  test("refuses to stream rows", async (t) => {
    const database = await open(t);
    const stream = database.read.selectFrom("leases").selectAll().stream();
    await assert.rejects(stream.next(), /read page by page/);
  });

  test("waits for the transaction under way when it is closed", async (t) => {
    const url = await open.url(t);
    const database = await openDatabase({ ...settings, url });
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const transaction = database.transaction(async (tx) => {
      begun.resolve();
      await tx.insertInto("leases").values({ name: "a", holder: "b", expires_at_ms: 1 }).execute();
      order.push("work");
    });
    await begun.promise;
    const closing = database.close().then(() => order.push("closed"));
    await Promise.all([transaction, closing]);
    assert.deepEqual(order, ["work", "closed"]);
    const again = await open(t, { url });
    assert.equal((await again.read.selectFrom("leases").selectAll().execute()).length, 1);
  });
});

test("makes the folder of a SQLite file", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "a", "b", "entrepot.db");
  const database = await openDatabase({ ...settings, url: `sqlite:${file}` });
  await database.close();
  assert.ok((await stat(file)).size > 0);
});

test("says which folder of a SQLite file cannot be made", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "notes.txt");
  await writeFile(file, "");
  await assert.rejects(
    openDatabase({ ...settings, url: `sqlite:${file}/entrepot.db` }),
    hasCode("UNAVAILABLE", /notes\.txt cannot be made/),
  );
});

test("says that a file which is no SQLite database is none, and leaves it as it was", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "notes.txt");
  const content = "not a database, but somebody's notes\n".repeat(100);
  await writeFile(file, content);
  await assert.rejects(
    openDatabase({ ...settings, url: `sqlite:${file}` }),
    hasCode("UNAVAILABLE", /not a database/),
  );
  assert.equal(await readFile(file, "utf8"), content);
});

test("lets several processes open the same new SQLite file at once", async (t) => {
  const folder = await temporaryFolder(t);
  const script = `
    const { openDatabase } = await import(${JSON.stringify(join(import.meta.dirname, "open-database.ts"))});
    const { silentLog } = await import(${JSON.stringify(join(import.meta.dirname, "../../lib/log.ts"))});
    const database = await openDatabase({ url: process.argv[1], poolSize: 1, acquireTimeoutMs: 60_000, log: silentLog });
    await database.transaction((tx) => tx.insertInto("leases")
      .values({ name: String(process.pid), holder: "x", expires_at_ms: 1 }).execute());
    await database.close();`;
  const url = `sqlite:${join(folder, "entrepot.db")}`;
  const run = promisify(execFile);
  await Promise.all(
    Array.from({ length: 4 }, () =>
      run(process.execPath, ["--conditions=source", "--input-type=module", "-e", script, url]),
    ),
  );
  const database = await openDatabase({ ...settings, url });
  t.after(() => database.close());
  assert.equal((await database.read.selectFrom("leases").selectAll().execute()).length, 4);
});
