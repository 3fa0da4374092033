import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { listSealedAfter } from "./chain-store.ts";
import { recordAudit } from "./record-audit.ts";
import { pruneEntries, sealEntries } from "./seal-entries.ts";
import { ada, openTestAudit, type TestAudit } from "./testing/open-test-audit.ts";
import { type Anchor, type Verification, verifyChain } from "./verify-chain.ts";

function verify(
  { database, audit }: TestAudit,
  more: { readonly after?: number; readonly limit?: number; readonly anchors?: readonly Anchor[] } = {},
): Promise<Verification> {
  return verifyChain({ database, signer: audit.signer }, { limit: 100_000, anchors: [], ...more });
}

/** Ten sealed entries, the second an anchor of the first pass. */
async function tenEntries(log: TestAudit): Promise<void> {
  for (let index = 0; index < 9; index += 1) await log.record({ target: `thing ${index}` });
  await log.audit.seal();
  await log.audit.seal();
}

const source = { actor: ada, client: undefined, requestId: undefined };

eachDatabase((open) => {
  test("an untouched chain is intact, by pages too, and its anchor is in the log", async (t) => {
    const log = await openTestAudit(open, t);
    assert.deepEqual((await verify(log)).problem, undefined, "an empty one");
    await tenEntries(log);
    const whole = await verify(log);
    assert.deepEqual(
      [whole.problem, whole.checked, whole.next, whole.unsealed],
      [undefined, 10, undefined, 0],
    );
    const first = await verify(log, { limit: 4 });
    assert.deepEqual([first.problem, first.checked, first.next], [undefined, 4, 4]);
    const rest = await verify(log, { limit: 100, after: 4 });
    assert.deepEqual([rest.problem, rest.checked, rest.next], [undefined, 6, undefined]);
    const anchors = log.logged.filter(({ message }) => message === "audit anchor");
    assert.equal(anchors.length, 1, "an anchor is not anchored again");
    const { sequence, hash } = anchors[0]?.fields ?? {};
    assert.ok(typeof sequence === "number" && typeof hash === "string");
    assert.equal((await verify(log, { anchors: [{ sequence, hash }] })).problem, undefined);
  });

  const tampering: Readonly<Record<string, readonly [readonly string[], string, number]>> = {
    "a changed entry": [["update audit_entries set actor = 'bob' where sequence = 4"], "changed", 4],
    "a changed time": [["update audit_entries set at_ms = at_ms - 1 where sequence = 1"], "changed", 1],
    "a changed target of the last": [
      ["update audit_entries set target = 'x' where sequence = 10"],
      "changed",
      10,
    ],
    "a removed entry": [["delete from audit_entries where sequence = 5"], "removed", 5],
    "several removed entries": [["delete from audit_entries where sequence in (1, 2)"], "removed", 1],
    "a removed entry, the others closing the gap": [
      [
        "delete from audit_entries where sequence = 5",
        "update audit_entries set sequence = -sequence where sequence > 5",
        "update audit_entries set sequence = -sequence - 1 where sequence < 0",
      ],
      "changed",
      5,
    ],
    "a cut tail": [["delete from audit_entries where sequence > 7"], "truncated", 8],
    "a cut tail and a head to fit": [
      [
        "delete from audit_entries where sequence > 7",
        "update audit_chain set sequence = 7, hash = (select hash from audit_entries where sequence = 7)",
      ],
      "forged",
      7,
    ],
    "an entry put in at the end": [
      [
        `insert into audit_entries (at_ms, action, outcome, actor, target, sequence, hash)
          values (1, 'x', 'succeeded', 'eve', 'y', 11, '${"a".repeat(64)}')`,
      ],
      "inserted",
      11,
    ],
    "an entry put in in the middle": [
      [
        "update audit_entries set sequence = -sequence where sequence > 5",
        "update audit_entries set sequence = -sequence + 1 where sequence < 0",
        `insert into audit_entries (at_ms, action, outcome, actor, target, sequence, hash)
          values (1, 'x', 'succeeded', 'eve', 'y', 6, '${"a".repeat(64)}')`,
      ],
      "changed",
      6,
    ],
    "a beginning that nobody let go": [
      [
        "delete from audit_entries where sequence <= 3",
        "update audit_chain set pruned_sequence = 3, pruned_hash = (select hash from audit_entries where sequence = 4)",
      ],
      "forged",
      3,
    ],
  };
  for (const [name, [statements, kind, sequence]] of Object.entries(tampering)) {
    test(`finds ${name}`, async (t) => {
      // A file of its own: the triggers are dropped.
      const url = await open.url(t);
      const log = await openTestAudit(open, t, { database: await open(t, { url }) });
      await tenEntries(log);
      await log.tamper(...statements);
      const { problem } = await verify(log);
      assert.deepEqual([problem?.kind, problem?.sequence], [kind, sequence], problem?.message);
    });
  }

  test("finds a chain computed anew behind a change by its signed end and its anchors", async (t) => {
    const log = await openTestAudit(open, t, { database: await open(t, { url: await open.url(t) }) });
    await tenEntries(log);
    await log.tamper(
      "update audit_entries set actor = 'bob' where sequence = 4",
      "update audit_entries set sequence = null, hash = null where sequence >= 4",
      "update audit_chain set sequence = 3, hash = (select hash from audit_entries where sequence = 3)",
    );
    // Not even the registry itself, made to seal again, hides it: the anchor names another entry 9.
    await log.audit.seal();
    const { problem } = await verify(log);
    assert.deepEqual([problem?.kind, problem?.sequence], ["changed", 9], problem?.message);
  });

  test("finds a tail that was cut together with all the database knew of it, by an anchor kept elsewhere", async (t) => {
    const log = await openTestAudit(open, t, {
      database: await open(t, { url: await open.url(t) }),
      anchorMs: 0,
    });
    await log.record({});
    await log.audit.seal();
    const row = await sql<Record<string, string | number>>`select * from audit_chain`.execute(
      log.database.read,
    );
    const before = row.rows[0] ?? {};
    await log.record({});
    await log.audit.seal();
    const anchor = log.logged.filter(({ message }) => message === "audit anchor").at(-1)?.fields;
    const { sequence, hash } = anchor ?? {};
    assert.ok(typeof sequence === "number" && typeof hash === "string" && sequence > 1);
    const old = Object.entries(before).map(([key, value]) => `${key} = '${value}'`);
    await log.tamper(
      `delete from audit_entries where sequence is null or sequence > ${Number(before["sequence"])}`,
      `update audit_chain set ${old.join(", ")}`,
    );
    assert.equal((await verify(log)).problem, undefined, "nothing in the database tells");
    const { problem } = await verify(log, { anchors: [{ sequence, hash }] });
    assert.equal(problem?.kind, "truncated");
  });

  test("triggers refuse to change and to delete entries, sealed or not", async (t) => {
    const log = await openTestAudit(open, t);
    await tenEntries(log);
    await log.record({ target: "unsealed" });
    for (const statement of [
      "update audit_entries set actor = 'bob'",
      "update audit_entries set actor = 'bob' where sequence is null",
      "update audit_entries set hash = 'x' where sequence = 1",
      "update audit_entries set sequence = 99 where sequence = 1",
      "update audit_entries set sequence = 99, hash = 'x', target = 'y' where sequence is null",
      "delete from audit_entries where sequence = 1",
      "delete from audit_entries where sequence is null",
    ]) {
      const attempt = log.database.transaction((tx) => sql.raw(statement).execute(tx));
      await assert.rejects(attempt, /append-only/, statement);
    }
    if (log.database.engine === "postgres") {
      const attempt = log.database.transaction((tx) => sql`truncate audit_entries`.execute(tx));
      await assert.rejects(attempt, /append-only/);
    }
    await log.audit.seal();
    assert.equal((await verify(log)).problem, undefined);
  });

  test("seals what writers side by side commit in any order: nothing left out, nothing twice", async (t) => {
    const url = await open.url(t);
    const database = await open(t, { url });
    const log = await openTestAudit(open, t, { database });
    const others = await Promise.all([0, 1].map(async () => open(t, { url })));
    const writers = 8;
    const each = 25;
    let writing = true;
    const sealers = [database, ...others].map(async (db, index) => {
      const deps = { database: db, clock: log.clock, log: log.log, signer: log.audit.signer, anchorMs: 1e12 };
      do {
        await sealEntries(deps, 7 + index);
        await new Promise((resolve) => setImmediate(resolve));
      } while (writing);
    });
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let index = 0; index < each; index += 1) {
          await database.transaction(async (tx) => {
            await recordAudit(tx, source, 1, { action: "test.first", target: `${writer} ${index}` });
            // A transaction that takes its time while others get later ids and commit.
            if (index % 5 === writer % 5) await new Promise((resolve) => setTimeout(resolve, 3));
            await recordAudit(tx, source, 1, { action: "test.second", target: `${writer} ${index}` });
          });
        }
      }),
    );
    writing = false;
    await Promise.all(sealers);
    await log.audit.seal();
    const entries = await listSealedAfter(database.read, 0, 10_000);
    const written = entries.filter(({ action }) => action.startsWith("test."));
    assert.equal(written.length, writers * each * 2);
    assert.equal(new Set(written.map((entry) => `${entry.action} ${entry.target}`)).size, writers * each * 2);
    assert.deepEqual(
      entries.map(({ sequence }) => sequence),
      entries.map((_, index) => index + 1),
    );
    assert.equal((await verify(log)).problem, undefined);
  });

  test("lets whole oldest ranges go by their age and leaves a signed checkpoint", async (t) => {
    const log = await openTestAudit(open, t, { retentionMs: 86_400_000 });
    await tenEntries(log);
    await log.audit.prune();
    assert.equal((await verify(log)).checked, 10, "nothing is old yet");
    log.clock.move(86_400_001);
    await log.record({ target: "young" });
    await log.audit.seal();
    await log.audit.prune();
    await log.audit.seal();
    const after = await verify(log);
    assert.deepEqual([after.problem, after.checkpoint?.sequence], [undefined, 10]);
    const kept = await listSealedAfter(log.database.read, 0, 100);
    assert.deepEqual(
      kept.map(({ sequence, action }) => `${sequence} ${action}`),
      ["11 test.do", "12 audit.anchor", "13 audit.prune"],
    );
    assert.equal(kept[2]?.target, "audit entries 1 to 10");
    const sealing = { database: log.database, clock: log.clock, log: log.log, signer: log.audit.signer };
    assert.equal(await pruneEntries({ ...sealing, anchorMs: 1 }, 0, 100), 0, "may be repeated");
  });
});
