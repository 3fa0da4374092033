import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { eachDatabase } from "../testing/each-database.ts";
import { insertRepository } from "../testing/rows.ts";
import { readSourceMove } from "./move-state.ts";
import { moveToPostgres } from "./move-to-postgres.ts";
import type { Target } from "./target.ts";
import { openRouter, openSource, openTestTarget, optionsOf } from "./testing/moves.ts";

eachDatabase((open) => {
  if (open.engine === "sqlite") return;

  test("a PostgreSQL that is gone without a word is given up, and the registry's file is as before", {
    timeout: 60_000,
  }, async (t) => {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    for (const at of ["copy", "follow"]) {
      const router = await openRouter(t, url);
      const target = openTestTarget(t, router.url);
      let isToEnd = false;
      const losing: Target = {
        ...target,
        transaction: (work, options) =>
          target.transaction(
            (tx) =>
              work({
                query(text, values) {
                  // In the middle of a transaction: while changes are carried over, one of the source is open, too.
                  if (isToEnd && !text.includes("for update")) {
                    isToEnd = false;
                    router.forget();
                  }
                  return tx.query(text, values);
                },
              }),
            options,
          ),
      };
      const silent = optionsOf(file, losing, {
        statementLimitMs: 500,
        onStep: async (step) => {
          if (step !== at) return;
          await database.transaction((tx) => insertRepository(tx, `acme/${at}`));
          isToEnd = true;
        },
      });
      await assert.rejects(moveToPostgres(silent), { code: "UNAVAILABLE" });
      assert.equal(readSourceMove(db), undefined);
      await database.transaction((tx) => insertRepository(tx, `acme/after-${at}`));
    }
  });

  test("a PostgreSQL to which no connection can be made any more holds writers no longer than the last step may", async (t) => {
    const { file, db, database } = await openSource(t);
    const router = await openRouter(t, await open.url(t));
    let heldMs = 0;
    const unreachable = optionsOf(file, openTestTarget(t, router.url), {
      cutOverLimitMs: 300,
      onStep: async (step) => {
        if (step !== "cut over") return;
        router.leadNowhere();
        await wait(200); // so that it is known that the connection is gone
      },
    });
    db.exec("pragma busy_timeout = 0");
    let heldSince: number | undefined;
    const looking = setInterval(() => {
      try {
        db.exec("begin immediate; rollback");
        heldSince = undefined;
      } catch {
        heldSince ??= performance.now();
        heldMs = Math.max(heldMs, performance.now() - heldSince);
      }
    }, 20);
    t.after(() => clearInterval(looking));
    await assert.rejects(moveToPostgres(unreachable), { code: "UNAVAILABLE" });
    // A connection may take five seconds.
    assert.ok(heldMs < 4_500, `${heldMs} ms`);
    t.diagnostic(`writers waited ${Math.round(heldMs)} ms`);
    assert.equal(readSourceMove(db), undefined);
    await database.transaction((tx) => insertRepository(tx, "acme/goes-on"));
  });

  test("more than a million changes that wait for the last steps are refused", async (t) => {
    const { file, db, database } = await openSource(t);
    const target = openTestTarget(t, await open.url(t));
    const busy = optionsOf(file, target, {
      onStep: async (step) => {
        if (step !== "cut over") return;
        db.exec(`with recursive n (i) as (select 1 union all select i + 1 from n where i <= 1000000)
          insert into database_move_changes (table_name, key) select 'repositories', '[1]' from n`);
      },
    });
    await assert.rejects(moveToPostgres(busy), {
      code: "CONFLICT",
      message: /at once: move at a quieter hour/,
    });
    assert.equal(readSourceMove(db), undefined);
    await database.transaction((tx) => insertRepository(tx, "acme/goes-on"));
  });
});
