import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { readSourceMove } from "../storage/database/move/move-state.ts";
import { type MoveStep, moveToPostgres } from "../storage/database/move/move-to-postgres.ts";
import type { Target } from "../storage/database/move/target.ts";
import { openSource, openTestTarget, optionsOf } from "../storage/database/move/testing/moves.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { moveDatabase } from "./move-database.ts";

eachDatabase((open) => {
  if (open.engine === "sqlite") return;

  /** A move that was killed at a step, of a version that lacked the last migration of this one. */
  async function breakOff(t: TestContext, at: MoveStep) {
    const { file, db, database } = await openSource(t);
    const url = await open.url(t);
    const target = openTestTarget(t, url);
    const broken = optionsOf(file, target, {
      onStep: async (step) => {
        if (step === at) throw new Error("broken off");
      },
    });
    await assert.rejects(moveToPostgres(broken), { message: "broken off" });
    await database.close();
    const configFile = `${file}.yaml`;
    await writeFile(configFile, `database:\n  url: sqlite:${file}\n`);
    const signal = new AbortController().signal;
    const again = () => moveDatabase({ configFile, to: url, signal, onProgress: () => undefined });
    await forgetLastMigration(db, target);
    return { db, again };
  }

  async function forgetLastMigration(db: DatabaseSync, target: Target): Promise<void> {
    const statement = "delete from kysely_migration where name = (select max(name) from kysely_migration)";
    db.exec(statement);
    await target.transaction((tx) => tx.query(statement), { durable: true });
  }

  test("a file that has moved and was not opened yet before an upgrade is only opened", async (t) => {
    const { db, again } = await breakOff(t, "open");
    assert.equal(readSourceMove(db)?.isMoved, true);
    assert.equal((await again()).heldMs, undefined);
    assert.equal((await again()).heldMs, undefined, "and once more");
  });

  test("a target that another version has begun to fill is refused with a sentence, before anything is migrated", async (t) => {
    const { db, again } = await breakOff(t, "check");
    const names = db.prepare("select name from kysely_migration").all();
    await assert.rejects(again(), { code: "CONFLICT", message: /another version .* make the target anew/ });
    assert.deepEqual(db.prepare("select name from kysely_migration").all(), names);
  });
});
