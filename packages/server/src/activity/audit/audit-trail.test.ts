import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createAuditTrail } from "./audit-trail.ts";
import { ada, openTestAudit } from "./testing/open-test-audit.ts";

const source = { actor: ada, client: undefined, requestId: undefined };
const note = (target: string) => [source, { action: "manifest.pull", target }] as const;

eachDatabase((open) => {
  test("holds nobody up while the database fails, keeps what waits, and writes it once, in order", async (t) => {
    const { database, clock, log, logged } = await openTestAudit(open, t);
    let isFailing = true;
    const failing: Database = {
      ...database,
      transaction: (work, options) =>
        isFailing ? Promise.reject(new Error("no database")) : database.transaction(work, options),
    };
    const trail = createAuditTrail({ database: failing, clock, log });
    trail.note(...note("one"));
    await trail.flush();
    trail.note(...note("two"));
    await trail.flush();
    assert.equal(trail.waiting(), 2);
    assert.equal(logged.length, 2, "and says so");
    isFailing = false;
    await trail.close();
    await trail.flush();
    assert.deepEqual(await targets(database), ["one", "two"]);
  });

  test("keeps what is noted while others are written", async (t) => {
    const { database, clock, log } = await openTestAudit(open, t);
    let isFirst = true;
    const noting: Database = {
      ...database,
      transaction(work, options) {
        if (isFirst) trail.note(...note("two"));
        isFirst = false;
        return database.transaction(work, options);
      },
    };
    const trail = createAuditTrail({ database: noting, clock, log });
    trail.note(...note("one"));
    await trail.close();
    assert.deepEqual(await targets(database), ["one", "two"]);
  });

  test("drops what is too much and says how much that was", async (t) => {
    const { database, clock, log } = await openTestAudit(open, t);
    const trail = createAuditTrail({ database, clock, log, maxWaiting: 3 });
    for (const target of ["1", "2", "3", "4", "5"]) trail.note(...note(target));
    assert.deepEqual([trail.waiting(), trail.dropped()], [3, 2]);
    await trail.close();
    assert.deepEqual(await targets(database), ["1", "2", "3", "2 audit entries"]);
  });

  test("stores what clients send as names, whatever it is", async (t) => {
    const { database, clock, log } = await openTestAudit(open, t);
    const trail = createAuditTrail({ database, clock, log });
    trail.note(...note("a\0b\ud800c"));
    trail.note(...note("x".repeat(5_000)));
    await trail.close();
    const [odd, long] = await targets(database);
    assert.deepEqual([odd, long?.length], ["a\ufffdb\ufffdc", 1_024]);
  });
});

async function targets(database: Database): Promise<readonly string[]> {
  const rows = await database.read.selectFrom("audit_entries").select("target").orderBy("id").execute();
  return rows.map((row) => row.target);
}
