import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { AppError } from "../../lib/app-error.ts";
import type { Database, Queryable, Tx } from "./database.ts";
import { eachDatabase } from "./testing/each-database.ts";

async function insertLease(tx: Tx, name: string): Promise<void> {
  await tx.insertInto("leases").values({ name, holder: "test", expires_at_ms: 1 }).execute();
}

async function leaseNames(db: Queryable): Promise<readonly string[]> {
  return (await db.selectFrom("leases").select("name").orderBy("name").execute()).map((row) => row.name);
}

async function counter(db: Queryable): Promise<number> {
  return (
    await db.selectFrom("counters").select("value").where("name", "=", "access").executeTakeFirstOrThrow()
  ).value;
}

/** A transaction that holds its connection until `end` is called. */
async function holdConnection(
  database: Database,
): Promise<{ readonly end: () => void; readonly ended: Promise<void> }> {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const ended = database.transaction(async (tx) => {
    await insertLease(tx, "held");
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  return { end: end.resolve, ended };
}

eachDatabase((open) => {
  test("returns what the work returns, once others can read what it wrote", async (t) => {
    const database = await open(t);
    const answer = await database.transaction(async (tx) => {
      await insertLease(tx, "a");
      assert.deepEqual(await leaseNames(database.read), [], "a read outside sees nothing uncommitted");
      assert.deepEqual(await leaseNames(tx), ["a"]);
      return 42;
    });
    assert.equal(answer, 42);
    assert.deepEqual(await leaseNames(database.read), ["a"]);
  });

  test("commits without waiting for the disk when told so", async (t) => {
    const database = await open(t);
    await database.transaction((tx) => insertLease(tx, "a"), { durable: false });
    assert.deepEqual(await leaseNames(database.read), ["a"]);
  });

  test("rolls back everything when the work throws, and throws the same error", async (t) => {
    const database = await open(t);
    const reason = new Error("no");
    await assert.rejects(
      database.transaction(async (tx) => {
        await insertLease(tx, "a");
        throw reason;
      }),
      (error) => error === reason,
    );
    assert.deepEqual(await leaseNames(database.read), []);
    await database.transaction((tx) => insertLease(tx, "b"));
    assert.deepEqual(await leaseNames(database.read), ["b"]);
  });

  test("does not commit after a failed statement, even when its error was swallowed", async (t) => {
    const database = await open(t);
    await assert.rejects(
      database.transaction(async (tx) => {
        await insertLease(tx, "a");
        await assert.rejects(insertLease(tx, "a"));
      }),
      /transaction has failed/,
    );
    await assert.rejects(
      database.transaction(async (tx) => {
        await assert.rejects(sql`select nonsense`.execute(tx));
        await insertLease(tx, "b");
      }),
    );
    assert.deepEqual(await leaseNames(database.read), []);
  });

  test("refuses statements of a transaction that has ended", async (t) => {
    const database = await open(t);
    let kept: Tx | undefined;
    await database.transaction(async (tx) => {
      kept = tx;
    });
    assert.ok(kept !== undefined);
    await assert.rejects(insertLease(kept, "late"));
    assert.deepEqual(await leaseNames(database.read), []);
  });

  test("lets a function that takes a transaction call another with the same transaction", async (t) => {
    const database = await open(t);
    const inner = (tx: Tx): Promise<void> => insertLease(tx, "inner");
    const outer = async (tx: Tx): Promise<void> => {
      await insertLease(tx, "outer");
      await inner(tx);
    };
    await database.transaction(outer);
    assert.deepEqual(await leaseNames(database.read), ["inner", "outer"]);
  });

  test("runs 50 transactions at once without losing one", async (t) => {
    const database = await open(t);
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        database.transaction(async (tx) => {
          await sql`update counters set value = value + 1 where name = 'access'`.execute(tx);
          await insertLease(tx, `lease ${n}`);
        }),
      ),
    );
    assert.equal(await counter(database.read), 50);
    assert.equal((await leaseNames(database.read)).length, 50);
  });

  test("says UNAVAILABLE when no connection comes free in time, and does not run the work later", async (t) => {
    const database = await open(t, { poolSize: 1, acquireTimeoutMs: 1_500 });
    const held = await holdConnection(database);
    let ran = false;
    await assert.rejects(
      database.transaction(async () => {
        ran = true;
      }),
      (error) => error instanceof AppError && error.code === "UNAVAILABLE" && error.retryAfterSeconds === 1,
    );
    held.end();
    await held.ended;
    await database.transaction((tx) => insertLease(tx, "next"));
    assert.equal(ran, false);
    assert.deepEqual(await leaseNames(database.read), ["held", "next"]);
  });

  test("leaves nothing behind whichever statement fails, and stays usable", async (t) => {
    let failAt = Number.POSITIVE_INFINITY;
    let sent = 0;
    const database = await open(t, {
      poolSize: 1,
      onQuery: () => {
        sent += 1;
        if (sent === failAt) throw new Error("injected");
      },
    });
    const work = async (): Promise<void> => {
      await database.transaction(async (tx) => {
        await insertLease(tx, "a");
        await sql`update counters set value = value + 1 where name = 'access'`.execute(tx);
        assert.equal(await counter(tx), 1);
      });
    };
    // begin, insert, update, select, commit
    for (const statement of [1, 2, 3, 4, 5]) {
      sent = 0;
      failAt = statement;
      await assert.rejects(work(), /injected/, `statement ${statement}`);
      failAt = Number.POSITIVE_INFINITY;
      assert.deepEqual(await leaseNames(database.read), [], `after statement ${statement} failed`);
      assert.equal(await counter(database.read), 0);
    }
    sent = 0;
    await work();
    assert.equal(sent, 5, "five round trips");
    assert.deepEqual(await leaseNames(database.read), ["a"]);
  });

  test("does not commit when a fault was swallowed by the work", async (t) => {
    let isFailing = false;
    const database = await open(t, {
      onQuery: (text) => {
        if (isFailing && text.startsWith("insert")) throw new Error("injected");
      },
    });
    isFailing = true;
    await assert.rejects(
      database.transaction(async (tx) => {
        await sql`update counters set value = 7 where name = 'access'`.execute(tx);
        await assert.rejects(insertLease(tx, "a"), /injected/);
      }),
      /transaction has failed/,
    );
    isFailing = false;
    assert.equal(await counter(database.read), 0);
  });

  if (open.engine === "postgres") postgresTests();
  else sqliteTests();

  function postgresTests(): void {
    test("repeats the work after a deadlock", async (t) => {
      const database = await open(t);
      await database.transaction(async (tx) => {
        await insertLease(tx, "a");
        await insertLease(tx, "b");
      });
      let attempts = 0;
      const bothHoldOne = Promise.withResolvers<void>();
      let holders = 0;
      const touch = async (tx: Tx, name: string): Promise<void> => {
        await sql`update leases set expires_at_ms = expires_at_ms + 1 where name = ${name}`.execute(tx);
      };
      const inOrder = (first: string, second: string): Promise<void> =>
        database.transaction(async (tx) => {
          attempts += 1;
          await touch(tx, first);
          holders += 1;
          if (holders === 2) bothHoldOne.resolve();
          await bothHoldOne.promise;
          await touch(tx, second);
        });
      await Promise.all([inOrder("a", "b"), inOrder("b", "a")]);
      assert.ok(attempts >= 3, `${attempts} attempts`);
      const rows = await database.read.selectFrom("leases").select("expires_at_ms").execute();
      assert.deepEqual(
        rows.map((row) => row.expires_at_ms),
        [3, 3],
      );
    });

    test("gives up with CONFLICT after three repetitions", async (t) => {
      const database = await open(t);
      let attempts = 0;
      await assert.rejects(
        database.transaction(async (tx) => {
          attempts += 1;
          await sql`do $$ begin raise exception using errcode = '40001'; end $$`.execute(tx);
        }),
        (error) => error instanceof AppError && error.code === "CONFLICT",
      );
      assert.equal(attempts, 4);
    });

    test("says UNAVAILABLE when the connection is lost, rolls back, and connects anew", async (t) => {
      const database = await open(t, { poolSize: 2 });
      await assert.rejects(
        database.transaction(async (tx) => {
          await insertLease(tx, "a");
          const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
          await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(database.read);
          await delay(20);
          await insertLease(tx, "b");
        }),
        (error) => error instanceof AppError && error.code === "UNAVAILABLE",
      );
      assert.deepEqual(await leaseNames(database.read), []);
      await database.transaction((tx) => insertLease(tx, "c"));
      assert.deepEqual(await leaseNames(database.read), ["c"]);
    });

    test("runs in READ COMMITTED whatever the server's default is", async (t) => {
      const url = await open.url(t);
      const first = await open(t, { url });
      await sql`do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$`.execute(
        first.read,
      );
      const database = await open(t, { url });
      const level = await database.transaction((tx) =>
        sql<{ transaction_isolation: string }>`show transaction_isolation`.execute(tx),
      );
      assert.equal(level.rows[0]?.transaction_isolation, "read committed");
    });

    test("prepares a statement anew after a migration changed what it returns", async (t) => {
      const database = await open(t, { poolSize: 3 });
      const readAll = (tx: Tx): Promise<unknown> => tx.selectFrom("leases").selectAll().execute();
      await Promise.all(Array.from({ length: 3 }, () => database.transaction(readAll)));
      // A borrowed database must keep its tables, so the change is undone.
      await sql`alter table leases add column later bigint`.execute(database.read);
      try {
        await Promise.all(Array.from({ length: 3 }, () => database.transaction(readAll)));
      } finally {
        await sql`alter table leases drop column later`.execute(database.read);
      }
    });

    test("gives the server's settings to every connection, and non-durable commits only to those who ask", async (t) => {
      const database = await open(t, { poolSize: 1 });
      const setting = async (tx: Tx): Promise<string | undefined> =>
        (await sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(tx)).rows[0]
          ?.synchronous_commit;
      assert.equal(await database.transaction(setting, { durable: false }), "off");
      assert.equal(await database.transaction(setting), "on");
    });
  }

  function sqliteTests(): void {
    test("waits for another process's transaction without stopping the event loop", async (t) => {
      const url = await open.url(t);
      const database = await open(t, { url, acquireTimeoutMs: 20_000 });
      const other = await open(t, { url });
      const held = await holdConnection(other);
      let ticks = 0;
      const ticking = setInterval(() => (ticks += 1), 5);
      const waiting = database.transaction((tx) => insertLease(tx, "after"));
      // None comes while it stands still, until it has given up and this fails.
      while (ticks < 20) await Promise.race([delay(5), waiting]);
      clearInterval(ticking);
      held.end();
      await Promise.all([held.ended, waiting]);
      assert.deepEqual(await leaseNames(database.read), ["after", "held"]);
    });

    test("says UNAVAILABLE when another process writes for too long", async (t) => {
      const url = await open.url(t);
      const database = await open(t, { url, acquireTimeoutMs: 80 });
      const other = await open(t, { url });
      const held = await holdConnection(other);
      await assert.rejects(
        database.transaction((tx) => insertLease(tx, "never")),
        (error) => error instanceof AppError && error.code === "UNAVAILABLE",
      );
      held.end();
      await held.ended;
      assert.deepEqual(await leaseNames(database.read), ["held"]);
    });

    test("says STORAGE_FULL when the disk is full, rolls back, and goes on when there is room again", async (t) => {
      const database = await open(t);
      await database.transaction((tx) => insertLease(tx, "before"));
      await database.transaction((tx) => sql`pragma max_page_count = 1`.execute(tx)); // = as many as there are
      await assert.rejects(
        database.transaction(async (tx) => {
          await insertLease(tx, "lost");
          await tx
            .insertInto("signing_keys")
            .values({
              kid: "a",
              private_jwk: "x".repeat(1_000_000),
              public_jwk: "",
              created_at_ms: 0,
              retires_at_ms: 0,
              expires_at_ms: 0,
            })
            .execute();
        }),
        (error) => error instanceof AppError && error.code === "STORAGE_FULL",
      );
      assert.deepEqual(await leaseNames(database.read), ["before"]);
      await database.transaction((tx) => sql`pragma max_page_count = 1000000`.execute(tx));
      await database.transaction((tx) => insertLease(tx, "after"));
      assert.deepEqual(await leaseNames(database.read), ["after", "before"]);
    });

    test("refuses to write through the read connection", async (t) => {
      const database = await open(t);
      await assert.rejects(
        database.read.insertInto("leases").values({ name: "a", holder: "b", expires_at_ms: 1 }).execute(),
        (error) => error instanceof AppError && error.code === "UNAVAILABLE",
      );
    });
  }
});
