import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { eachDatabase } from "../testing/each-database.ts";
import { insertRepository } from "../testing/rows.ts";
import { sampleRows } from "../testing/sample-rows.ts";
import { beginCapture } from "./capture-changes.ts";
import { readSourceMove } from "./move-state.ts";
import { abortMove, type MoveStep, moveToPostgres } from "./move-to-postgres.ts";
import { describeTables, keyOf, keyText, type Row, rowText } from "./moved-table.ts";
import type { Target } from "./target.ts";
import { prepareTarget } from "./target-schema.ts";
import { openSource, openTestTarget, optionsOf } from "./testing/moves.ts";

const steps = ["copy", "follow", "index", "check", "cut over"] as const satisfies readonly MoveStep[];

/** Every row of every table, by key. */
async function everythingIn(db: DatabaseSync, target: Target) {
  const ours = new Map<string, string>();
  const theirs = new Map<string, string>();
  for (const table of describeTables(db)) {
    const note = (rows: ReadonlyMap<string, string>, row: Row) =>
      new Map([...rows, [`${table.name} ${keyText(keyOf(table, row))}`, rowText(table, row)]]);
    // as: the columns are texts, integers and bytes
    for (const row of db.prepare(`select * from "${table.name}"`).all() as Row[]) {
      for (const [key, text] of note(new Map(), row)) ours.set(key, text);
    }
    const rows = await target.transaction((tx) => tx.query(`select * from "${table.name}"`), {
      durable: false,
    });
    for (const row of rows as Row[]) for (const [key, text] of note(new Map(), row)) theirs.set(key, text);
  }
  theirs.delete('facts ["moved-from-sqlite"]');
  return { ours, theirs };
}

async function assertSame(db: DatabaseSync, target: Target): Promise<void> {
  const { ours, theirs } = await everythingIn(db, target);
  assert.ok(ours.size > 0);
  assert.deepEqual(theirs, ours);
}

const schemaOf = (target: Target) =>
  target.transaction(
    async (tx) => ({
      constraints: await tx.query(
        "select conrelid::regclass::text as t, conname, pg_get_constraintdef(oid) as d, convalidated from pg_constraint where connamespace = current_schema()::regnamespace order by 1, 2",
      ),
      indexes: await tx.query(
        "select indexdef from pg_indexes where schemaname = current_schema() order by 1",
      ),
      triggers: await tx.query("select tgname, tgenabled from pg_trigger where not tgisinternal order by 1"),
      tables: await tx.query(
        "select tablename from pg_tables where schemaname = current_schema() order by 1",
      ),
    }),
    { durable: false },
  );

eachDatabase((open) => {
  if (open.engine === "sqlite") return;

  test("every table's rows that come, change and go during each step are in PostgreSQL, row by row", async (t) => {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    await (await open(t, { url })).close();
    const target = openTestTarget(t, url);
    const before = await schemaOf(target);
    const samples = sampleRows(db);
    const inserted = (step: number) => step * 3 + 1;
    const updated = (step: number) => step * 3 + 2;
    const removed = (step: number) => step * 3 + 3;
    for (const table of samples.tables) {
      samples.insert(table, 0);
      for (const step of steps.keys()) {
        samples.insert(table, updated(step));
        samples.insert(table, removed(step));
      }
    }
    const report = await moveToPostgres(
      optionsOf(file, target, {
        async onStep(name) {
          const step = steps.findIndex((each) => each === name);
          if (step < 0) return;
          for (const table of samples.tables) samples.insert(table, inserted(step));
          for (const table of samples.tables.toReversed()) samples.remove(table, removed(step));
          // What others refer to is changed last.
          for (const table of samples.tables.toReversed()) {
            if (table.name !== "audit_chain") samples.update(table, updated(step));
          }
        },
      }),
    );
    assert.ok(samples.tables.length > 50, `${samples.tables.length} tables`);
    assert.ok(report.changes >= samples.tables.length * steps.length * 3, `${report.changes} changes`);
    await assertSame(db, target);
    assert.deepEqual(await schemaOf(target), before, "keys, indexes and guards are as they were");
    assert.equal(database.hasMoved(), true);
    for (const table of samples.tables) {
      if (table.name !== "audit_chain")
        assert.throws(() => samples.insert(table, 99), /has moved/, table.name);
    }
    await assert.rejects(
      database.transaction((tx) => insertRepository(tx, "acme/late")),
      { code: "UNAVAILABLE", message: /has moved to PostgreSQL/ },
    );
    const instance = await open(t, { url });
    const next = await instance.transaction((tx) => insertRepository(tx, "acme/after"));
    const [last] = db.prepare("select seq from sqlite_sequence where name = 'repositories'").all();
    assert.equal(next, Number(last?.["seq"]) + 1, "an id that was given before is not given again");
  });

  test("names that are exchanged, and children that change their parent before it goes, arrive as they are", async (t) => {
    const { file, db } = await openSource(t);
    const target = openTestTarget(t, await open.url(t));
    db.exec(`insert into namespaces (id, name, kind, default_visibility, create_on_push, created_at_ms)
        values (1, 'old', 'organization', 'private', 1, 0), (2, 'new', 'organization', 'private', 1, 0);
      insert into users (id, username, is_admin, is_disabled, created_at_ms, namespace_id)
        values (1, 'anna', 0, 0, 0, 1), (2, 'bert', 0, 0, 0, null), (3, 'gone', 0, 0, 0, 1);
      insert into access_tokens (id, user_id, name, public_id, created_at_ms)
        values (1, 1, 'kept', 'p1', 0), (2, 3, 'gone by cascade', 'p2', 0)`);
    const exchange = () =>
      db.exec(`begin; update users set username = 'x' where id = 1; update users set username = 'y' where username = 'bert';
        update users set username = 'bert' where id = 1; update users set username = 'anna' where username = 'y'; commit`);
    await moveToPostgres(
      optionsOf(file, target, {
        async onStep(step) {
          if (step === "follow" || step === "check" || step === "cut over") exchange();
          if (step !== "cut over") return;
          // Whoever deletes the old place before the user is in the new one takes the token with it.
          db.exec(
            "begin; update users set namespace_id = 2 where id = 1; delete from namespaces where id = 1; commit",
          );
        },
      }),
    );
    await assertSame(db, target);
    const names = await target.transaction((tx) => tx.query("select id, username from users order by id"), {
      durable: false,
    });
    assert.deepEqual(names, [
      { id: 1, username: "bert" },
      { id: 2, username: "anna" },
    ]);
    const tokens = await target.transaction((tx) => tx.query("select name from access_tokens"), {
      durable: false,
    });
    assert.deepEqual(tokens, [{ name: "kept" }]);
  });

  test("broken off at any step, the registry goes on where it is, nobody may use the target, and the next try succeeds", async (t) => {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    const target = openTestTarget(t, url);
    const repositories: string[] = [];
    const write = async (name: string) => {
      await database.transaction((tx) => insertRepository(tx, name));
      repositories.push(name);
    };
    for (const at of steps) {
      const stopped = optionsOf(file, target, {
        async onStep(step) {
          await write(`acme/${at}-${step}`.replace(" ", "-"));
          if (step === at) throw new Error(`broken off at ${at}`);
        },
      });
      await assert.rejects(moveToPostgres(stopped), { message: `broken off at ${at}` });
      assert.equal(readSourceMove(db), undefined, "nothing is recorded any more");
      await write(`acme/after-${at}`.replace(" ", "-"));
      await assert.rejects(open(t, { url }), { code: "UNAVAILABLE", message: /being filled/ });
    }
    const waiting = open(t, { url, waitsForMove: true });
    await moveToPostgres(optionsOf(file, target));
    await assertSame(db, target);
    const instance = await waiting;
    const names = await instance.read.selectFrom("repositories").select("name").execute();
    assert.deepEqual(names.map(({ name }) => name).toSorted(), repositories.toSorted());
  });

  test("a move that was killed leaves its capture, which neither a start nor the next move minds", async (t) => {
    const { file, db, database, open: openAgain } = await openSource(t);
    const target = openTestTarget(t, await open.url(t));
    const tables = describeTables(db);
    beginCapture(db, tables, { id: "killed", target: "postgres://db/entrepot" }, undefined);
    await prepareTarget(target, tables, { id: "killed", earlier: undefined });
    await database.transaction((tx) => insertRepository(tx, "acme/app"));
    const started = await openAgain();
    await started.transaction((tx) => insertRepository(tx, "acme/app2"));
    await started.close();
    await moveToPostgres(optionsOf(file, target));
    await assertSame(db, target);
  });

  test("ended between the two databases, it is ended by the next try, or undone by --abort", async (t) => {
    const { file, db, database, open: openAgain } = await openSource(t);
    const url = await open.url(t);
    const target = openTestTarget(t, url);
    await database.transaction((tx) => insertRepository(tx, "acme/app"));
    const broken = optionsOf(file, target, {
      onStep: async (step) => {
        if (step === "open") throw new Error("broken off");
      },
    });
    await assert.rejects(moveToPostgres(broken), { message: "broken off" });
    assert.equal(database.hasMoved(), true);
    await assert.rejects(open(t, { url }), { message: /being filled/ });
    await assert.rejects(openAgain(), { message: /ENTREPOT_DATABASE_URL=postgres:\/\/db\/entrepot/ });
    assert.equal(await abortMove(optionsOf(file, target)), true);
    assert.equal(await abortMove(optionsOf(file, target)), false);
    await database.transaction((tx) => insertRepository(tx, "acme/goes-on"));

    await assert.rejects(moveToPostgres(broken), { message: "broken off" });
    const elsewhere = openTestTarget(t, await open.url(t));
    await assert.rejects(moveToPostgres(optionsOf(file, elsewhere)), {
      code: "CONFLICT",
      message: /not into this/,
    });
    const ended = await moveToPostgres(optionsOf(file, target));
    assert.equal(ended.heldMs, undefined);
    await assertSame(db, target);
    await (await open(t, { url })).close();
    await assert.rejects(abortMove(optionsOf(file, target)), {
      code: "CONFLICT",
      message: /the move is done/,
    });
    assert.equal(database.hasMoved(), true);
    assert.equal((await moveToPostgres(optionsOf(file, target))).rows, 0, "once more does nothing");
  });

  test("when PostgreSQL goes away as it commits the last step, SQLite goes on, and the next try succeeds", async (t) => {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    const target = openTestTarget(t, url);
    await database.transaction((tx) => insertRepository(tx, "acme/app"));
    for (const isAway of [false, true]) {
      let isLost = false;
      const losing: Target = {
        ...target,
        async transaction(work, options) {
          if (isLost && isAway) throw new Error("it is away");
          const result = await target.transaction(work, options);
          if (!options.durable || options.signal === undefined) return result;
          isLost = true;
          throw new Error("committed, but nobody was told");
        },
      };
      await assert.rejects(moveToPostgres(optionsOf(file, losing)), /nobody was told/);
      assert.equal(database.hasMoved(), false);
      await database.transaction((tx) => insertRepository(tx, `acme/goes-on-${isAway}`));
      await assert.rejects(open(t, { url }), { message: /being filled/ });
      // As the row was when a killed mover left it.
      if (isAway) {
        const [left] = await target.transaction((tx) => tx.query("select id, state from database_move"), {
          durable: false,
        });
        assert.equal(left?.["state"], "complete");
        await assert.rejects(moveToPostgres(optionsOf(file, target)), {
          code: "CONFLICT",
          message: /make the target anew/,
        });
        const killed = { id: String(left["id"]), target: "postgres://db/entrepot" };
        beginCapture(db, describeTables(db), killed, undefined);
      }
    }
    await moveToPostgres(optionsOf(file, target));
    await assertSame(db, target);
  });

  test("of two moves of one file the first ends, and so does that of another file into the same database", async (t) => {
    const { file, db } = await openSource(t);
    const other = await openSource(t);
    const target = openTestTarget(t, await open.url(t));
    const second = openTestTarget(t, await open.url(t));
    const overtaken = optionsOf(file, target, {
      onStep: async (step) => {
        if (step === "follow") await moveToPostgres(optionsOf(file, second));
      },
    });
    await assert.rejects(moveToPostgres(overtaken), { code: "CONFLICT", message: /another .* has begun/ });
    await assertSame(db, second);
    const third = openTestTarget(t, await open.url(t));
    const robbed = optionsOf(other.file, third, {
      onStep: async (step) => {
        if (step === "check")
          await prepareTarget(third, describeTables(db), { id: "robber", earlier: undefined });
      },
    });
    await assert.rejects(moveToPostgres(robbed), { code: "CONFLICT", message: /into the same database/ });
    assert.equal(readSourceMove(other.db), undefined);
  });

  test("an instance that opened the target before it was marked can neither write to it nor read it until it is filled", async (t) => {
    const { file, database, db } = await openSource(t);
    const url = await open.url(t);
    const early = await open(t, { url });
    await early.read.selectFrom("repositories").selectAll().execute();
    await database.transaction((tx) => insertRepository(tx, "acme/app"));
    const target = openTestTarget(t, url);
    const refused: string[] = [];
    await moveToPostgres(
      optionsOf(file, target, {
        async onStep(step) {
          if (step === "prepare") return;
          refused.push(step);
          await assert.rejects(early.read.selectFrom("repositories").selectAll().execute(), /does not exist/);
          await assert.rejects(
            early.transaction((tx) => insertRepository(tx, "acme/early")),
            /does not exist/,
          );
        },
      }),
    );
    assert.ok(refused.length > 4);
    await assertSame(db, target);
    assert.equal((await early.read.selectFrom("repositories").selectAll().execute()).length, 1);
    await early.transaction((tx) => insertRepository(tx, "acme/late"));
  });

  test("a target with content is refused, and nothing is changed", async (t) => {
    const { file, db } = await openSource(t);
    const url = await open.url(t);
    const used = await open(t, { url });
    await used.transaction((tx) => insertRepository(tx, "acme/theirs"));
    await assert.rejects(moveToPostgres(optionsOf(file, openTestTarget(t, url))), {
      code: "CONFLICT",
      message: /has content already/,
    });
    assert.equal(readSourceMove(db), undefined);
    await (await open(t, { url })).close();
  });

  test("a last step that takes too long gives the write lock back, and the registry goes on", async (t) => {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    const slow = openTestTarget(t, url);
    const target: Target = {
      ...slow,
      transaction: (work, options) =>
        slow.transaction(async (tx) => {
          const result = await work(tx);
          if (options.durable && options.signal !== undefined) await tx.query("select pg_sleep(30)");
          return result;
        }, options),
    };
    let tries = 0;
    const late = optionsOf(file, target, {
      cutOverLimitMs: 300,
      onStep: async (step) => {
        if (step === "cut over") tries += 1;
      },
    });
    await assert.rejects(moveToPostgres(late), { code: "CONFLICT", message: /took longer/ });
    assert.equal(tries, 5);
    assert.equal(readSourceMove(db), undefined);
    await database.transaction((tx) => insertRepository(tx, "acme/goes-on"));
    await moveToPostgres(optionsOf(file, slow));
    await assertSame(db, slow);
  });
});
