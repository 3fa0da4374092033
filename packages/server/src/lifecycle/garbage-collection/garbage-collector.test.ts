import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry as MetricsRegistry } from "prom-client";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { push, repositoryName, storedObjects } from "../../registry/testing/content.ts";
import { InjectedFault } from "../../registry/testing/faults.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { acquireLease, releaseLease } from "../../storage/database/lease-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createGarbageCollector, type GarbageCollectorDeps } from "./garbage-collector.ts";

const repository = repositoryName("library/app");

eachDatabase((open) => {
  test("a pass tells what it removed, and the areas that remember content", async (t) => {
    const { registry, collector, calls, metric } = await openCollector(t);
    assert.equal(collector.lastPass(), undefined);
    await push(registry, repository, "abc");
    const empty = await collector.runNow(byRegistry);
    assert.deepEqual([empty.links, calls.removed, registry.lines.length], [0, 0, 0], "nothing to tell");
    registry.advance(graceMs);
    const report = await collector.runNow(byRegistry);
    const startedAtMs = registry.clock.nowMs();
    const expected = { manifests: 0, links: 1, blobs: 1, bytes: 0, startedAtMs, durationMs: 0 };
    assert.deepEqual(report, expected);
    assert.deepEqual(collector.lastPass(), expected);
    assert.equal(calls.removed, 1);
    assert.equal(registry.lines.at(-1)?.message, "garbage collected");
    assert.match(await metric(), /entrepot_gc_collected_total\{kind="link"\} 1/);
    assert.deepEqual(await registry.database.read.selectFrom("leases").selectAll().execute(), []);
  });

  test("who asks while a pass runs shares it", async (t) => {
    const { collector, calls } = await openCollector(t);
    const [first, second] = await Promise.all([collector.runNow(byRegistry), collector.runNow(byRegistry)]);
    assert.equal(first, second);
    assert.equal(calls.chores, 1);
  });

  test("one instance at a time collects; another's lease is a conflict until it runs out", async (t) => {
    const { registry, collector, calls } = await openCollector(t);
    await registry.database.transaction((tx) =>
      tx
        .insertInto("leases")
        .values({
          name: "garbage-collection",
          holder: "another",
          expires_at_ms: registry.clock.nowMs() + 1_000,
        })
        .execute(),
    );
    await assert.rejects(collector.runNow(byRegistry), { code: "CONFLICT", retryAfterSeconds: 5 });
    assert.equal(calls.chores, 0, "nor does it do the chores");
    registry.advance(1_000);
    await collector.runNow(byRegistry);
    assert.equal(calls.chores, 1);
  });

  test("a pass that fails gives its lease back, and the next one works", async (t) => {
    const { registry, collector, calls } = await openCollector(t);
    await push(registry, repository, "abc");
    registry.advance(graceMs);
    calls.chore = () => Promise.reject(new InjectedFault("chore"));
    await assert.rejects(collector.runNow(byRegistry), InjectedFault);
    assert.equal(collector.lastPass(), undefined);
    assert.deepEqual(await registry.database.read.selectFrom("leases").selectAll().execute(), []);
    calls.chore = async () => {};
    assert.equal((await collector.runNow(byRegistry)).links, 1);
  });

  test("passes follow each other at the interval, also after one that failed or found another at work", async (t) => {
    const { registry, collector, calls, metric } = await openCollector(t, { intervalMs: 1 });
    calls.chore = () => Promise.reject(new InjectedFault("chore"));
    collector.start();
    assert.equal(calls.chores, 0, "not at once: a start has better things to do");
    await until(() => registry.lines.length >= 1);
    assert.equal(registry.lines[0]?.message, "garbage collection failed; it is tried again");
    assert.match(await metric(), /entrepot_gc_failures_total [1-9]/);
    calls.chore = async () => {};
    await until(() => collector.lastPass() !== undefined);
    const takeLease = registry.database.transaction((tx) =>
      acquireLease(tx, {
        name: "garbage-collection",
        holder: "another",
        nowMs: registry.clock.nowMs() + 1e9,
        untilMs: 2e12,
      }),
    );
    assert.equal(await takeLease, true);
    await registry.database.transaction((tx) =>
      releaseLease(tx, { name: "garbage-collection", holder: "another" }),
    );
    const before = calls.chores;
    await until(() => calls.chores > before);
    await collector.stop();
    const { chores } = calls;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(calls.chores, chores, "none after the end");
  });

  test("an interval of 0 means only on request", async (t) => {
    const { collector, calls } = await openCollector(t, { intervalMs: 0 });
    collector.start();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(calls.chores, 0);
    await collector.stop();
  });

  test("stop ends the pass under way and waits for it", async (t) => {
    const { registry, collector, calls } = await openCollector(t);
    await push(registry, repository, "abc");
    registry.advance(graceMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    calls.chore = () => promise;
    const pass = collector.runNow(byRegistry);
    await until(() => calls.chores === 1);
    let hasStopped = false;
    const stopping = collector.stop().then(() => {
      hasStopped = true;
    });
    await new Promise((turn) => setImmediate(turn));
    assert.equal(hasStopped, false);
    resolve();
    await stopping;
    assert.equal((await pass).links, 0, "what is left is the next instance's");
    assert.equal(calls.secondChores, 0);
    assert.equal((await storedObjects(registry)).length, 1);
  });

  test("stop does not mind a pass that fails", async (t) => {
    const { collector, calls } = await openCollector(t);
    const { promise, reject } = Promise.withResolvers<void>();
    calls.chore = () => promise;
    const pass = collector.runNow(byRegistry);
    await until(() => calls.chores === 1);
    const stopping = collector.stop();
    reject(new InjectedFault("chore"));
    await stopping;
    await assert.rejects(pass, InjectedFault);
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
    return { registry, ...createFor(registry, more) };
  }
});

function createFor(registry: TestRegistry, more: Partial<GarbageCollectorDeps>) {
  const calls = { chores: 0, secondChores: 0, removed: 0, chore: async () => {} };
  const metrics = new MetricsRegistry();
  const deps: GarbageCollectorDeps = {
    ...registry.deps,
    graceMs,
    untaggedAfterMs: undefined,
    intervalMs: 1_000,
    metrics,
    chores: [
      {
        name: "first",
        run: () => {
          calls.chores += 1;
          return calls.chore();
        },
      },
      {
        name: "second",
        run: async () => {
          calls.secondChores += 1;
        },
      },
    ],
    onRemoved: () => {
      calls.removed += 1;
    },
    ...more,
  };
  return {
    calls,
    collector: createGarbageCollector(deps),
    open: (other: Partial<GarbageCollectorDeps>) =>
      createGarbageCollector({ ...deps, metrics: new MetricsRegistry(), ...other }),
    metric: () => metrics.metrics(),
  };
}

/** Waits for what the event loop brings about; the test's own time limit ends it. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}
