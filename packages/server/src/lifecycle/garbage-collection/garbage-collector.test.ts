import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry as MetricsRegistry } from "prom-client";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { listJobs } from "../../activity/jobs/job-store.ts";
import { createJobs } from "../../operations/jobs/jobs.ts";
import { quickTimes } from "../../operations/jobs/testing/open-test-jobs.ts";
import { push, repositoryName } from "../../registry/testing/content.ts";
import { InjectedFault } from "../../registry/testing/faults.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createGarbageCollector, type GarbageCollectorDeps } from "./garbage-collector.ts";

const repository = repositoryName("library/app");
const never = new AbortController().signal;

eachDatabase((open) => {
  test("a pass tells what it removed, and the areas that remember content", async (t) => {
    const { registry, collector, calls, metric, jobs, runNow } = await openCollector(t);
    await jobs.start();
    assert.equal(await collector.lastPass(), undefined);
    await push(registry, repository, "abc");
    const empty = await runNow();
    assert.deepEqual([empty.links, calls.removed, registry.lines.length], [0, 0, 0], "nothing to tell");
    registry.advance(graceMs);
    const report = await runNow();
    const startedAtMs = registry.clock.nowMs();
    const expected = { manifests: 0, links: 1, blobs: 1, bytes: 0, startedAtMs, durationMs: 0 };
    assert.deepEqual(report, expected);
    assert.deepEqual(await collector.lastPass(), expected);
    assert.equal(calls.removed, 1);
    assert.equal(registry.lines.at(-1)?.message, "garbage collected");
    assert.match(await metric(), /entrepot_gc_collected_total\{kind="link"\} 1/);
  });

  test("who asks while somebody's pass waits shares it; any instance may run it", async (t) => {
    const { registry, collector, jobs, runNow, another } = await openCollector(t);
    await assert.rejects(runNow(), { code: "UNAVAILABLE" }, "nobody is there that could");
    await jobs.start();
    await jobs.stop();
    let queued = 0;
    const ask = () => collector.runNow(byRegistry, () => (queued += 1), never);
    const passes = Promise.all([ask(), ask()]);
    const asked = () => listJobs(registry.database.read, { ...all, kind: "garbage-collection" });
    await until(async () => queued === 2);
    await another().start();
    const [first, second] = await passes;
    assert.deepEqual(first, second);
    assert.equal((await asked()).length, 1);
  });

  test("passes follow each other at the interval; 0 means only on request", async (t) => {
    const { registry, collector, jobs, open: openAnother } = await openCollector(t, { intervalMs: 60_000 });
    assert.equal(openAnother({ intervalMs: 0 }).kind.schedule, undefined);
    await jobs.start();
    registry.advance(60_000);
    await until(async () => (await collector.lastPass()) !== undefined);
    const first = await collector.lastPass();
    registry.advance(60_000);
    await until(async () => (await collector.lastPass())?.startedAtMs !== first?.startedAtMs);
  });

  test("a pass that fails is told to who waits, and is tried again", async (t) => {
    const { registry, jobs, runNow, metric, collector } = await openCollector(t);
    await push(registry, repository, "abc");
    registry.advance(graceMs);
    registry.faults.watch((sql) => {
      if (/delete from .?repository_blobs/.test(sql)) throw new InjectedFault("links");
    });
    await jobs.start();
    await assert.rejects(runNow(), { code: "UNAVAILABLE" });
    registry.faults.watch(undefined);
    assert.match(await metric(), /entrepot_gc_failures_total 1/);
    registry.advance(60_000);
    await until(async () => (await collector.lastPass())?.links === 1);
  });

  test("a preview changes nothing, and knows the policy for manifests without a tag", async (t) => {
    const { registry, collector, open: another } = await openCollector(t);
    await push(registry, repository, "abc");
    registry.advance(graceMs);
    const before = await registry.database.read.selectFrom("repository_blobs").selectAll().execute();
    const preview = await collector.preview();
    assert.deepEqual(preview, {
      manifests: 0,
      links: 1,
      blobs: 0,
      blobBytes: 0,
      pendingDeletions: 0,
      pendingDeletionBytes: 0,
    });
    assert.deepEqual(await another({ untaggedAfterMs: 0 }).preview(), preview);
    const after = await registry.database.read.selectFrom("repository_blobs").selectAll().execute();
    assert.deepEqual(after, before);
  });

  async function openCollector(t: TestContext, more: Partial<GarbageCollectorDeps> = {}) {
    const registry = await openTestRegistry(open, t);
    return { registry, ...createFor(t, registry, more) };
  }
});

const all = { kind: undefined, state: undefined, namespace: undefined, last: undefined, limit: 100 };

function createFor(t: TestContext, registry: TestRegistry, more: Partial<GarbageCollectorDeps>) {
  const calls = { removed: 0 };
  const metrics = new MetricsRegistry();
  const deps: GarbageCollectorDeps = {
    ...registry.deps,
    graceMs,
    untaggedAfterMs: undefined,
    intervalMs: 0,
    metrics,
    onRemoved: () => {
      calls.removed += 1;
    },
    ...more,
  };
  const collector = createGarbageCollector(deps);
  let instances = 0;
  const another = () => {
    instances += 1;
    const jobs = createJobs({
      ...registry.deps,
      instanceId: `instance-${instances}`,
      metrics: new MetricsRegistry(),
      atOnce: 4,
      keptDoneMs: 1e9,
      keptFailedMs: 1e9,
      isAlone: false,
      times: quickTimes,
      kinds: [collector.kind],
    });
    t.after(() => jobs.stop());
    return jobs;
  };
  const jobs = another();
  return {
    calls,
    collector,
    jobs,
    another,
    runNow: () => collector.runNow(byRegistry, jobs.wake, never),
    open: (other: Partial<GarbageCollectorDeps>) =>
      createGarbageCollector({ ...deps, metrics: new MetricsRegistry(), ...other }),
    metric: () => metrics.metrics(),
  };
}

/** Waits for what the event loop brings about; the test's own time limit ends it. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}
