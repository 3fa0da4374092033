import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { eachDatabase } from "../testing/each-database.ts";
import { insertRepository } from "../testing/rows.ts";
import { beginCapture, endCapture } from "./capture-changes.ts";
import { readSourceMove } from "./move-state.ts";
import { abortMove, moveToPostgres } from "./move-to-postgres.ts";
import { describeTables } from "./moved-table.ts";
import type { Target } from "./target.ts";
import { prepareTarget } from "./target-schema.ts";
import { openSource, openTestTarget, optionsOf } from "./testing/moves.ts";

const address = "postgres://db/entrepot";

/** Done before the first transaction in the target begins. */
function first(target: Target, work: () => Promise<unknown>): Target {
  let isDone = false;
  return {
    ...target,
    async transaction(each, options) {
      if (!isDone) {
        isDone = true;
        await work();
      }
      return target.transaction(each, options);
    },
  };
}

const isMoved = (db: DatabaseSync) => readSourceMove(db)?.isMoved;

eachDatabase((open) => {
  if (open.engine === "sqlite") return;

  test("once PostgreSQL is in use no other database that is named with --abort opens the file again", async (t) => {
    const { file, db, database } = await openSource(t);
    const target = openTestTarget(t, await open.url(t));
    await moveToPostgres(optionsOf(file, target));
    const empty = openTestTarget(t, await open.url(t));
    const usedUrl = await open.url(t);
    await (await open(t, { url: usedUrl })).close();
    const filled = openTestTarget(t, await open.url(t));
    const other = await openSource(t);
    await prepareTarget(filled, describeTables(other.db), { id: "other", earlier: undefined });
    for (const wrong of [empty, openTestTarget(t, usedUrl), filled]) {
      await assert.rejects(abortMove(optionsOf(file, wrong, { address: "postgres://elsewhere/entrepot" })), {
        code: "CONFLICT",
        message: /has moved to postgres:\/\/db\/entrepot/,
      });
      // The same name may lead elsewhere by now.
      await assert.rejects(abortMove(optionsOf(file, wrong)), {
        code: "CONFLICT",
        message: /nothing of that move/,
      });
      assert.equal(isMoved(db), true);
    }
    await assert.rejects(
      database.transaction((tx) => insertRepository(tx, "acme/split")),
      { code: "UNAVAILABLE" },
    );
  });

  test("a move that comes to its end while --abort looks stays done", async (t) => {
    for (const isAway of [false, true]) {
      const { file, db } = await openSource(t);
      const target = openTestTarget(t, await open.url(t));
      const finishing = optionsOf(file, target, {
        onStep: async (step) => {
          if (step !== "cut over" || !hasToWait) return;
          hasToWait = false;
          reached.resolve();
          await goOn.promise;
        },
      });
      let hasToWait = true;
      const reached = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const moving = moveToPostgres(finishing);
      await reached.promise;
      assert.equal(isMoved(db), false);
      const late = first(target, async () => {
        goOn.resolve();
        await moving;
        if (isAway) throw new Error("it is away");
      });
      await assert.rejects(abortMove(optionsOf(file, late)), {
        code: "CONFLICT",
        message: isAway ? /run it again/ : /the move is done/,
      });
      assert.equal(isMoved(db), true);
    }
  });

  test("of two moves of one file the one that begins as the other ends is refused, into the same database and into another", async (t) => {
    for (const isSame of [false, true]) {
      const { file, db } = await openSource(t);
      const url = await open.url(t);
      const target = openTestTarget(t, url);
      const second = isSame ? openTestTarget(t, url) : openTestTarget(t, await open.url(t));
      const reached = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const moving = moveToPostgres(
        optionsOf(file, target, {
          onStep: async (step) => {
            if (step === "cut over") {
              reached.resolve();
              await goOn.promise;
            }
            // Killed before the target is opened.
            if (isSame && step === "open") throw new Error("killed");
          },
        }),
      );
      await reached.promise;
      const late = first(second, async () => {
        goOn.resolve();
        await moving.catch(() => undefined);
      });
      await assert.rejects(moveToPostgres(optionsOf(file, late)), {
        code: "CONFLICT",
        message: /run it again/,
      });
      assert.equal(isMoved(db), true);
      if (isSame)
        assert.equal((await moveToPostgres(optionsOf(file, target))).rows, 0, "what was moved is opened");
      await moving.catch(() => undefined);
      await assert.rejects(abortMove(optionsOf(file, target)), { message: /the move is done/ });
    }
  });

  test("--abort of a move that was killed on the way needs no answer from its target", async (t) => {
    const { file, db } = await openSource(t);
    beginCapture(db, describeTables(db), { id: "killed", target: address }, undefined);
    const away = first(openTestTarget(t, await open.url(t)), async () => Promise.reject(new Error("away")));
    assert.equal(await abortMove(optionsOf(file, away)), true);
    assert.equal(readSourceMove(db), undefined);
  });
});

test("what is recorded is removed only as it was found", async (t) => {
  const { db } = await openSource(t);
  const tables = describeTables(db);
  const found = { id: "one", target: address, isMoved: false };
  beginCapture(db, tables, found, undefined);
  const conflict = { code: "CONFLICT", message: /run it again/ };
  assert.throws(() => beginCapture(db, tables, { id: "two", target: address }, undefined), conflict);
  db.exec("update database_move set is_moved = 1");
  assert.throws(() => beginCapture(db, tables, { id: "two", target: address }, found), conflict);
  assert.throws(() => endCapture(db, found), conflict);
  assert.throws(() => endCapture(db, { ...found, id: "two", isMoved: true }), conflict);
  assert.deepEqual(readSourceMove(db), { ...found, isMoved: true });
  endCapture(db, { ...found, isMoved: true });
  assert.equal(readSourceMove(db), undefined);
});
