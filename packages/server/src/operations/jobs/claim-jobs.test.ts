import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../../activity/jobs/job-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { takeJobs } from "./claim-store.ts";
import { cancelJob, pruneJobs, retryJob } from "./job-management-store.ts";
import { writeNotes } from "./running-job-store.ts";
import { countRowsRead, floodWithJobs, learnJobs } from "./testing/flood-store.ts";
import { openTestJobs, testKind } from "./testing/open-test-jobs.ts";

const lane = { kind: "test", priority: 0 };
const lease = { holder: "here", nowMs: 1, untilMs: 2 };
const ended = (job: Job) => ({ job, progress: undefined, ending: { kind: "done", result: "{}" } as const });

eachDatabase((open) => {
  test("fills its room from few namespaces when the others have too little", async (t) => {
    const database = await open(t);
    await floodWithJobs(database, { ...lane, namespace: "a", count: 20, state: "queued" });
    await floodWithJobs(database, { ...lane, namespace: "b", count: 1, state: "queued" });
    await floodWithJobs(database, { ...lane, namespace: "c", count: 3, state: "queued" });
    const taken = await database.transaction((tx) => takeJobs(tx, lane, { after: "a", wanted: 10, lease }));
    const counts = Map.groupBy(taken.jobs, ({ namespace }) => namespace);
    assert.deepEqual(
      ["a", "b", "c"].map((name) => counts.get(name)?.length),
      [6, 1, 3],
    );
    assert.equal(taken.lowerPriority, undefined);
  });

  test("namespaces behind the last turn come first", async (t) => {
    const database = await open(t);
    for (const namespace of ["a", "b", "c", "d"])
      await floodWithJobs(database, { ...lane, namespace, count: 9, state: "queued" });
    const taken = await database.transaction((tx) => takeJobs(tx, lane, { after: "b", wanted: 3, lease }));
    assert.deepEqual(taken.jobs.map(({ namespace }) => namespace).toSorted(), ["a", "c", "d"]);
  });

  test("what a claim and an end read does not grow with the jobs that wait or are done, whatever the planner knows", async (t) => {
    const database = await open(t);
    const flood = { ...lane, namespace: "many", count: 4_000 };
    await learnJobs(database); // of an empty table
    await floodWithJobs(database, { ...flood, state: "done" });
    await floodWithJobs(database, { ...flood, state: "queued" });
    for (const knows of ["nothing", "all"]) {
      if (knows === "all") await learnJobs(database);
      await database.transaction(async (tx) => {
        const taken = await takeJobs(tx, lane, { after: "", wanted: 14, lease });
        assert.equal(taken.jobs.length, 14);
        assert.equal((await writeNotes(tx, taken.jobs.map(ended), 3)).size, 14);
        const read = await countRowsRead(tx);
        assert.ok((read ?? 0) < 300, `${read} rows when the planner knows ${knows}`);
      });
    }
  });

  test("what is not ours any more is not ended, whatever else is said in the same breath", async (t) => {
    const house = openTestJobs(t, await open(t), [testKind(async () => {})]);
    const { database } = house;
    await floodWithJobs(database, { ...lane, namespace: "a", count: 2, state: "queued" });
    await database.transaction(async (tx) => {
      const [first, second] = (await takeJobs(tx, lane, { after: "", wanted: 2, lease })).jobs;
      assert.ok(first !== undefined && second !== undefined);
      const old = { ...second, fence: second.fence - 1 };
      const progress = { done: 5, total: undefined, note: "so far" };
      const again = { kind: "again", error: "no", runAtMs: 9, isCounted: true } as const;
      const ours = await writeNotes(tx, [{ job: first, progress, ending: again }, ended(old)], 3);
      assert.deepEqual([...ours], [first.id]);
    });
    const [first, second] = [await house.job(1), await house.job(2)];
    assert.deepEqual([first.state, first.progress.done, first.progress.note], ["waiting", 5, "so far"]);
    assert.deepEqual([second.state, second.result], ["running", undefined]);
  });

  test("a job that was cancelled is not tried again, though its attempt ended before it heard of that", async (t) => {
    const house = openTestJobs(t, await open(t), [testKind(async () => {})]);
    const { database } = house;
    await floodWithJobs(database, { ...lane, namespace: "a", count: 1, state: "queued" });
    await database.transaction(async (tx) => {
      const [job] = (await takeJobs(tx, lane, { after: "", wanted: 1, lease })).jobs;
      assert.ok(job !== undefined);
      assert.equal((await cancelJob(tx, job.id, 2))?.state, "running");
      const again = { kind: "again", error: "no", runAtMs: 3, isCounted: true } as const;
      assert.deepEqual(
        [...(await writeNotes(tx, [{ job, progress: undefined, ending: again }], 3))],
        [job.id],
      );
    });
    const { state, error, finishedAtMs } = await house.job(1);
    assert.deepEqual([state, error, finishedAtMs], ["cancelled", "cancelled", 3]);
  });

  test("fourteen jobs cost four statements: three to take them and one to end them", async (t) => {
    const statements: string[] = [];
    const house = openTestJobs(
      t,
      await open(t, { onQuery: (text) => statements.push(text) }),
      [testKind(async () => {})],
      { pollMs: 3_600_000, beatMs: 3_600_000 },
    );
    await floodWithJobs(house.database, { ...lane, namespace: "a", count: 280, state: "queued" });
    await house.instance({ atOnce: 16 }).start();
    while ((await house.job(280)).state !== "done") await new Promise((resolve) => setTimeout(resolve, 5));
    // Without this test's own, and what begins and ends transactions.
    const own = statements.filter((text) => !/^(?:select "id", "kind"|begin|set local|commit)/.test(text));
    // Twenty rounds, the start, the schedule of jobs.prune, and the last look.
    assert.ok(own.length <= 20 * 4 + 20, `${own.length} statements`);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("a dead letter that is retried at the moment when it would be forgotten stays", async (t) => {
    const house = openTestJobs(t, await open(t), [testKind(async () => {})]);
    const { database } = house;
    await floodWithJobs(database, { ...lane, namespace: "a", count: 1, state: "failed" });
    await database.transaction((tx) => tx.updateTable("jobs").set({ finished_at_ms: 1 }).execute());
    const letGo = await holdTransaction(database, (tx) => retryJob(tx, 1, 5));
    const before = { doneMs: 9, scheduledMs: 9, failedMs: 9, limit: 10 };
    const pruning = database.transaction((tx) => pruneJobs(tx, before));
    await untilWaiting(database, 1, pruning);
    await letGo();
    assert.equal(await pruning, 0);
    assert.equal((await house.job(1)).state, "queued");
  });
});
