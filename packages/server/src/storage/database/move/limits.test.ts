import assert from "node:assert/strict";
import { test } from "node:test";
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
