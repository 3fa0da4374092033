import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { pruneEvents, recordEvents } from "./event-store.ts";

eachDatabase((open) => {
  test("records events in their order, with what they tell", async (t) => {
    const database = await open(t);
    await database.transaction((tx) =>
      recordEvents(tx, [eventAt(1), { ...eventAt(2), payload: { text: 'ä"', number: 7, nothing: null } }]),
    );
    const rows = await database.read.selectFrom("events").selectAll().orderBy("id").execute();
    assert.deepEqual(
      rows.map(({ id, ...row }) => ({ ...row, hasId: id > 0 })),
      [
        {
          at_ms: 1,
          kind: "manifest.pushed",
          repository: "acme/app",
          actor: "ada",
          payload: "{}",
          hasId: true,
        },
        {
          at_ms: 2,
          kind: "manifest.pushed",
          repository: "acme/app",
          actor: "ada",
          payload: '{"text":"ä\\"","number":7,"nothing":null}',
          hasId: true,
        },
      ],
    );
  });

  test("writes nothing when the transaction fails, and needs no event to succeed", async (t) => {
    const database = await open(t);
    const failing = database.transaction(async (tx) => {
      await recordEvents(tx, [eventAt(1)]);
      throw new Error("of the work");
    });
    await assert.rejects(failing, /of the work/);
    await database.transaction((tx) => recordEvents(tx, []));
    assert.deepEqual(await times(database), []);
  });

  test("prunes what is older, the oldest first and at most so many", async (t) => {
    const database = await open(t);
    await database.transaction((tx) => recordEvents(tx, [5, 1, 3, 4, 2].map(eventAt)));
    const prune = (beforeMs: number, limit: number) =>
      database.transaction((tx) => pruneEvents(tx, beforeMs, limit));
    assert.equal(await prune(4, 2), 2);
    assert.deepEqual(await times(database), [3, 4, 5]);
    assert.equal(await prune(4, 2), 1);
    assert.equal(await prune(4, 2), 0);
    assert.deepEqual(await times(database), [4, 5]);
  });
});

function eventAt(atMs: number) {
  return { kind: "manifest.pushed", atMs, repository: "acme/app", actor: "ada", payload: {} } as const;
}

async function times(database: Database): Promise<readonly number[]> {
  const rows = await database.read.selectFrom("events").select("at_ms").orderBy("at_ms").execute();
  return rows.map((row) => row.at_ms);
}
