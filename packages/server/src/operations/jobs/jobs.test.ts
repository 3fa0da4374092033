import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import { HopelessJob } from "../../activity/jobs/job-kind.ts";
import { listJobs } from "../../activity/jobs/job-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { openTestJobs, testKind } from "./testing/open-test-jobs.ts";

const all = { kind: undefined, state: undefined, namespace: undefined, last: undefined, limit: 1_000 };

eachDatabase((open) => {
  test("runs what was queued, and keeps what it says", async (t) => {
    const kind = testKind(
      async (job, _signal, progress) => {
        progress(3, 4, "three of four");
        return { payload: job.payload as { readonly name: string }, attempt: job.attempt }; // as: checked by the schema
      },
      { payloadSchema: async () => Type.Object({ name: Type.String() }) },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    const id = await house.enqueue(kind, {}, { name: "ada" });
    assert.equal((await house.job(id)).state, "queued");
    await house.instance().start();
    const done = await house.until(id, "done");
    assert.deepEqual(JSON.parse(done.result ?? ""), { payload: { name: "ada" }, attempt: 1 });
    assert.deepEqual(done.progress, { done: 3, total: 4, note: "three of four" });
    assert.equal(done.leaseHolder, undefined);
  });

  test("a payload of another form is refused before anything is queued", async (t) => {
    const kind = testKind(async () => {}, {
      payloadSchema: async () => Type.Object({ name: Type.String() }),
    });
    await assert.rejects(draftJob(kind, { name: 7 }), {
      code: "REQUEST_INVALID",
      message: /\/name must be string/,
    });
    await assert.rejects(
      draftJob(
        testKind(async () => {}),
        { any: 1 },
      ),
      { code: "REQUEST_INVALID" },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    assert.deepEqual(await listJobs(house.database.read, all), []);
  });

  test("is queued if and only if the transaction commits", async (t) => {
    let runs = 0;
    const kind = testKind(async () => {
      runs += 1;
    });
    const house = openTestJobs(t, await open(t), [kind]);
    const draft = await draftJob(kind, undefined);
    await assert.rejects(
      house.database.transaction(async (tx) => {
        await enqueueJob(tx, draft, byRegistry, house.clock.nowMs());
        throw new Error("no");
      }),
      /no/,
    );
    const id = await house.enqueue(kind);
    await house.instance().start();
    await house.until(id, "done");
    assert.equal(runs, 1);
    assert.equal((await listJobs(house.database.read, all)).length, 1);
  });

  test("one waits for the same key, moved forward; once it has begun another one may", async (t) => {
    const gate = Promise.withResolvers<void>();
    const kind = testKind(() => gate.promise);
    const house = openTestJobs(t, await open(t), [kind]);
    const laterMs = house.clock.nowMs() + 60_000;
    const first = await house.enqueue(kind, { uniqueKey: "a", runAtMs: laterMs });
    assert.equal((await house.job(first)).state, "waiting");
    assert.equal(await house.enqueue(kind, { uniqueKey: "a", priority: 5 }), first);
    const moved = await house.job(first);
    assert.deepEqual([moved.state, moved.runAtMs, moved.priority], ["queued", house.clock.nowMs(), 5]);
    assert.notEqual(await house.enqueue(kind, { uniqueKey: "b" }), first);
    await house.instance().start();
    await house.until(first, "running");
    const second = await house.enqueue(kind, { uniqueKey: "a", runAtMs: laterMs });
    assert.notEqual(second, first);
    gate.resolve();
    await house.until(first, "done");
    assert.equal((await house.job(second)).state, "waiting");
  });

  test("what fails is tried again after a pause that grows, and in the end is a dead letter that can be retried", async (t) => {
    let fails = true;
    const kind = testKind(async () => {
      if (fails) throw new Error("the disk is on fire");
    });
    const house = openTestJobs(t, await open(t), [kind]);
    const id = await house.enqueue(kind);
    const jobs = house.instance();
    await jobs.start();
    const first = await house.until(id, "waiting");
    const pauseMs = first.runAtMs - house.clock.nowMs();
    assert.ok(pauseMs >= 500 && pauseMs <= 1_000, `${pauseMs}`);
    assert.equal(first.error, "the disk is on fire");
    house.clock.move(pauseMs);
    while ((await house.job(id)).attempts < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await house.until(id, "waiting");
    const longerMs = second.runAtMs - house.clock.nowMs();
    assert.ok(longerMs >= 1_000 && longerMs <= 2_000, `${longerMs}`);
    house.clock.move(longerMs);
    const dead = await house.until(id, "failed");
    assert.deepEqual([dead.attempts, dead.error], [3, "the disk is on fire"]);
    fails = false;
    const { retry } = await import("./manage-jobs.ts");
    await retry({ ...house, kinds: new Map([["test", kind]]), wake: jobs.wake }, byRegistry, id);
    assert.equal((await house.until(id, "done")).error, undefined);
  });

  test("a hopeless job is not tried again", async (t) => {
    const kind = testKind(async () => {
      throw new HopelessJob("there is no such thing");
    });
    const house = openTestJobs(t, await open(t), [kind]);
    const id = await house.enqueue(kind);
    await house.instance().start();
    assert.equal((await house.until(id, "failed")).attempts, 1);
  });

  test("a job that takes too long is told to stop; one that does not listen is left behind", async (t) => {
    const kind = testKind(() => new Promise(() => {}), { timeoutMs: 20, maxAttempts: 1 });
    const house = openTestJobs(t, await open(t), [kind], { stopMs: 20 });
    const id = await house.enqueue(kind);
    await house.instance({ atOnce: 1 }).start();
    assert.match((await house.until(id, "failed")).error ?? "", /longer than/);
    const next = await house.enqueue(kind);
    await house.until(next, "failed");
  });

  test("a job that waits is cancelled at once, one that runs when it hears of it", async (t) => {
    const kind = testKind(
      (_job, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      { concurrency: 1 },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    const [runs, waits] = [await house.enqueue(kind), await house.enqueue(kind)];
    await house.instance().start();
    await house.until(runs, "running");
    const { cancel } = await import("./manage-jobs.ts");
    const deps = { ...house, kinds: new Map([["test", kind]]), wake: () => {} };
    assert.equal((await cancel(deps, byRegistry, waits)).state, "cancelled");
    assert.equal((await cancel(deps, byRegistry, runs)).isCancelWanted, true);
    assert.equal((await house.until(runs, "cancelled")).attempts, 1);
    await assert.rejects(cancel(deps, byRegistry, runs), { code: "CONFLICT" });
    await assert.rejects(cancel(deps, byRegistry, 999), { code: "NOT_FOUND" });
  });

  test("who stops gives back what runs, and that is no attempt", async (t) => {
    const kind = testKind(
      (job, signal) =>
        job.attempt === 1 && !stopped
          ? new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
          : Promise.resolve(),
      { maxAttempts: 1 },
    );
    let stopped = false;
    const house = openTestJobs(t, await open(t), [kind], { stopMs: 30_000 });
    const id = await house.enqueue(kind);
    const first = house.instance();
    await first.start();
    await house.until(id, "running");
    await first.stop();
    const back = await house.job(id);
    assert.deepEqual([back.state, back.attempts], ["queued", 0]);
    stopped = true;
    await house.instance().start();
    await house.until(id, "done");
  });

  test("whoever was taken for dead cannot write, and learns of it", async (t) => {
    const database = await open(t);
    const gate = Promise.withResolvers<void>();
    const outcomes: string[] = [];
    const kind = testKind(async (job, signal) => {
      if (job.attempt === 2) return "second";
      await gate.promise;
      outcomes.push(signal.aborted ? "told" : "not told");
      const held = database.transaction(async (tx) => {
        await job.hold(tx);
        outcomes.push("wrote");
      });
      await assert.rejects(held, { code: "CONFLICT" });
      return "first";
    });
    const house = openTestJobs(t, database, [kind], { leaseMs: 1_000, beatMs: 3_600_000 });
    const id = await house.enqueue(kind);
    const sleeper = house.instance({ atOnce: 1 }); // else it might take it once more itself
    await sleeper.start();
    await house.until(id, "running");
    house.clock.move(1_001); // it has not renewed its lease
    await house.instance().start();
    const done = await house.until(id, "done");
    gate.resolve();
    await sleeper.stop();
    assert.deepEqual(outcomes, ["not told"]);
    assert.equal((await house.job(id)).result, '"second"');
    assert.equal(done.fence, 2);
  });

  test("of one kind so many run at once as it says, on all instances together", async (t) => {
    let now = 0;
    let most = 0;
    const kind = testKind(
      async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        now -= 1;
      },
      { concurrency: 3 },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    const ids = [];
    for (let index = 0; index < 30; index++) ids.push(await house.enqueue(kind));
    await Promise.all([house.instance().start(), house.instance().start()]);
    for (const id of ids) await house.until(id, "done");
    assert.equal(most, 3);
  });

  test("the more urgent come first, and namespaces take turns", async (t) => {
    const order: string[] = [];
    const kind = testKind(
      async (job) => {
        order.push(`${job.namespace}${String(job.payload)}`);
      },
      { payloadSchema: async () => Type.Integer() },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    for (let index = 0; index < 6; index++) await house.enqueue(kind, { namespace: "a" }, index);
    for (let index = 0; index < 2; index++) await house.enqueue(kind, { namespace: "b" }, index);
    await house.enqueue(kind, { namespace: "c" }, 0);
    const last = await house.enqueue(kind, { namespace: "a", priority: 9 }, 99);
    await house.instance({ atOnce: 1 }).start();
    await house.until(last, "done");
    while (order.length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(order, ["a99", "b0", "c0", "a0", "b1", "a1", "a2", "a3", "a4", "a5"]);
  });

  test("ten thousand jobs of one namespace delay another's by one", async (t) => {
    const order: string[] = [];
    const kind = testKind(async (job) => {
      order.push(job.namespace);
    });
    const house = openTestJobs(t, await open(t), [kind]);
    const draft = await draftJob(kind, undefined, { namespace: "flood" });
    await house.database.transaction(async (tx) => {
      for (let index = 0; index < 10_000; index++)
        await enqueueJob(tx, draft, byRegistry, house.clock.nowMs());
    });
    const single = await house.enqueue(kind, { namespace: "single" });
    const jobs = house.instance({ atOnce: 4 });
    await jobs.start();
    await house.until(single, "done");
    assert.ok(order.indexOf("single") <= 4, `after ${order.indexOf("single")}`);
    await jobs.stop();
  });

  test("a flood of one kind leaves room for the others", async (t) => {
    const gate = Promise.withResolvers<void>();
    const slow = testKind(() => gate.promise, { kind: "slow" });
    const other = testKind(async () => {}, { kind: "other" });
    const house = openTestJobs(t, await open(t), [slow, other]);
    for (let index = 0; index < 20; index++) await house.enqueue(slow);
    await house.instance({ atOnce: 4 }).start();
    await house.until(1, "running");
    await house.until(await house.enqueue(other), "done");
    gate.resolve();
  });

  test("a kind that rests is not begun, anywhere, until it goes on", async (t) => {
    const kind = testKind(async () => {}, { schedule: { everyMs: 1_000 } });
    const house = openTestJobs(t, await open(t), [kind]);
    const jobs = house.instance();
    await jobs.start();
    const { pauseKind } = await import("./manage-jobs.ts");
    const deps = { ...house, kinds: new Map([["test", kind]]), wake: jobs.wake };
    assert.equal((await pauseKind(deps, byRegistry, "test", true)).row.isPaused, true);
    const id = await house.enqueue(kind);
    house.clock.move(10_000);
    const other = house.instance();
    await other.start();
    await other.stop();
    assert.equal((await house.job(id)).state, "queued");
    assert.equal((await listJobs(house.database.read, all)).length, 1, "nor does its schedule queue");
    await pauseKind(deps, byRegistry, "test", false);
    await house.until(id, "done");
    await assert.rejects(pauseKind(deps, byRegistry, "nonsense", true), { code: "NOT_FOUND" });
  });

  test("each due time is run once by whichever instance, and those that went by are one", async (t) => {
    const slots: (number | undefined)[] = [];
    const kind = testKind(
      async (job) => {
        slots.push(job.slotMs);
      },
      { schedule: { everyMs: 60_000 } },
    );
    const house = openTestJobs(t, await open(t), [kind]);
    const startMs = house.clock.nowMs();
    const instances = [house.instance(), house.instance(), house.instance()];
    await Promise.all(instances.map((each) => each.start()));
    const due = (count: number) => startMs + count * 60_000; // the clock begins at a full minute
    const isRunning = async () =>
      (await listJobs(house.database.read, { ...all, state: "running" })).length > 0;
    // And written down as done: a clock that jumps before takes the job from its holder.
    const seen = async (count: number) => {
      while (slots.length < count || (await isRunning())) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    for (let minute = 1; minute <= 5; minute++) {
      house.clock.move(60_000);
      await seen(minute);
    }
    house.clock.move(10 * 60_000);
    await seen(6);
    house.clock.move(60_000);
    await seen(7);
    await Promise.all(instances.map((each) => each.stop()));
    assert.deepEqual(slots, [...[1, 2, 3, 4, 5].map(due), due(6), due(16)]);
  });

  test("jobs that ended long ago are forgotten, those of schedules sooner, dead letters later", async (t) => {
    const fine = testKind(async () => {}, { kind: "fine" });
    const dead = testKind(async () => Promise.reject(new HopelessJob("no")), { kind: "dead" });
    const house = openTestJobs(t, await open(t), [fine, dead]);
    const ids = [await house.enqueue(fine), await house.enqueue(dead)];
    const jobs = house.instance();
    await jobs.start();
    await house.until(ids[0] ?? 0, "done");
    await house.until(ids[1] ?? 0, "failed");
    const kept = async () =>
      (await listJobs(house.database.read, { ...all, limit: 100 }))
        .filter((job) => job.kind !== "jobs.prune")
        .map((job) => job.kind);
    const pruneAfter = async (ms: number) => {
      // Before the clock jumps, which is when the next one may be queued.
      const before = (await listJobs(house.database.read, { ...all, kind: "jobs.prune" }))[0]?.id ?? 0;
      house.clock.move(ms);
      for (;;) {
        const [last] = await listJobs(house.database.read, { ...all, kind: "jobs.prune", state: "done" });
        if (last !== undefined && last.id > before) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await pruneAfter(86_400_000);
    assert.deepEqual(await kept(), ["dead", "fine"]);
    await pruneAfter(7 * 86_400_000);
    assert.deepEqual(await kept(), ["dead"]);
    await pruneAfter(30 * 86_400_000);
    assert.deepEqual(await kept(), []);
  });
});
