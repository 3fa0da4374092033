import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import { listJobs } from "../../activity/jobs/job-store.ts";
import { systemClock } from "../../lib/clock.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { stormKinds } from "./testing/storm-kinds.ts";
import { listSteps } from "./testing/storm-store.ts";

const program = resolve(import.meta.dirname, "testing/storm-worker.ts");
const total = 140;
const kills = 6;

eachDatabase((open) => {
  test("two processes that are killed at random lose no job, run none under two live leases, and each slot once", async (t) => {
    const url = await open.url(t);
    const database = await open(t, { url });
    const workers: ChildProcess[] = [];
    let names = 0;
    const start = (place: number) => {
      names += 1;
      const child = spawn(process.execPath, ["--conditions=source", program, url, `worker-${names}`], {
        stdio: ["ignore", "inherit", "inherit"],
      });
      workers[place] = child;
    };
    const end = async (place: number) => {
      const child = workers[place];
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    };
    t.after(() => Promise.all([end(0), end(1)]));
    const [storm] = stormKinds(database);
    assert.ok(storm !== undefined);
    const drafts = await Promise.all(
      ["a", "b", "c", "d"].map((namespace) => draftJob(storm, undefined, { namespace })),
    );
    start(0);
    start(1);
    await database.transaction(async (tx) => {
      for (let index = 0; index < total; index++) {
        const draft = drafts[index % drafts.length];
        assert.ok(draft !== undefined);
        await enqueueJob(tx, draft, byRegistry, systemClock.nowMs());
      }
    });
    const undone = async () =>
      (await listJobs(database.read, filter)).filter((job) => job.state !== "done").length;
    // Each kill comes in the middle of work: a new process is given the time to begin some.
    for (let kill = 0; kill < kills; kill++) {
      while ((await undone()) > total - ((kill + 1) * total) / (kills + 1)) await wait(10);
      await end(kill % 2);
      start(kill % 2);
    }
    while ((await undone()) > 0) await wait(20);
    await Promise.all([end(0), end(1)]);

    const jobs = await listJobs(database.read, filter);
    assert.equal(jobs.length, total);
    const steps = Map.groupBy(await listSteps(database.read), ({ jobId }) => jobId);
    for (const job of jobs) {
      const own = steps.get(job.id) ?? [];
      assert.equal(own.filter(({ step }) => step === "end").length >= 1, true, `job ${job.id} was done`);
      let live = 0;
      for (const { attempt } of own) {
        assert.ok(attempt >= live, `job ${job.id}: attempt ${attempt} wrote after attempt ${live} had begun`);
        live = attempt;
      }
    }
    const attempts = jobs.reduce((sum, job) => sum + job.attempts, 0);
    const ticks = (await listJobs(database.read, { ...filter, kind: "tick" })).map((job) => job.slotMs);
    assert.ok(ticks.length > 3, "the schedule ran");
    assert.equal(new Set(ticks).size, ticks.length, "each slot once");
    t.diagnostic(`${total} jobs, ${attempts} attempts, ${kills} kills, ${ticks.length} slots`);
  });
});

const filter = { kind: "storm", state: undefined, namespace: undefined, last: undefined, limit: 10_000 };
