import assert from "node:assert/strict";
import { test } from "node:test";
import { beforeTransaction } from "../../registry/testing/interrupt.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { collectGarbage, type GarbageDeps } from "./collect-garbage.ts";
import type { PendingDeletion } from "./garbage-store.ts";
import { countFloodLeft, floodWithGarbage } from "./testing/garbage-flood-store.ts";

const nothing = { manifests: 0, links: 0, blobs: 0, bytes: 0 };

eachDatabase((open) => {
  test("more than a slice of each goes in one pass, and bytes do not wait for the last link", async (t) => {
    const registry = await openTestRegistry(open, t);
    await floodWithGarbage(registry.database, { count: 1_201, repositories: 3, sizeBytes: 1 });
    const order: string[] = [];
    registry.faults.watch((sql) => {
      if (sql.startsWith('delete from "repository_blobs"')) order.push("link");
      if (sql.startsWith('delete from "blob_deletions"')) order.push("bytes");
    });
    assert.deepEqual(await collect(registry, { graceMs: 0 }), {
      ...nothing,
      links: 1_201,
      blobs: 1_201,
      bytes: 1_201,
    });
    assert.ok(order.indexOf("bytes") < order.lastIndexOf("link"));
    assert.deepEqual(await countFloodLeft(registry.database.read), { links: 0, blobs: 0, bytes: 0 });
  });

  test("two passes at once remove each thing once, and one that was killed in the middle is gone on with", async (t) => {
    const registry = await openTestRegistry(open, t);
    await floodWithGarbage(registry.database, { count: 1_200, repositories: 3, sizeBytes: 1 });
    const killed = beforeTransaction(registry.deps, 9, async () => {
      throw new Error("killed");
    });
    await assert.rejects(collect(registry, { graceMs: 0, database: killed.database }), /killed/);
    const left = await countFloodLeft(registry.database.read);
    assert.ok(left.links > 0 && left.links < 1_200, `${left.links} links are left`);
    const both = await Promise.all([collect(registry, { graceMs: 0 }), collect(registry, { graceMs: 0 })]);
    assert.equal(both[0].links + both[1].links, left.links);
    assert.equal(both[0].blobs + both[1].blobs, left.blobs);
    await collect(registry, { graceMs: 0 });
    assert.deepEqual(await countFloodLeft(registry.database.read), { links: 0, blobs: 0, bytes: 0 });
  });

  test("bytes that the store refuses to remove are told, tried again, and in nobody's way", async (t) => {
    // A few among others; and so many before all others that nothing is removed at first.
    for (const lockedCount of [3, 30]) {
      const registry = await openTestRegistry(open, t);
      await floodWithGarbage(registry.database, { count: 200, repositories: 1, sizeBytes: 1 });
      const locked = new Set<string>();
      const removeBytes = async ({ location }: PendingDeletion) => {
        if (locked.size < lockedCount) locked.add(location);
        if (locked.has(location)) throw new Error("the object is locked");
        return undefined;
      };
      await assert.rejects(collect(registry, { graceMs: 0, removeBytes }), /locked/);
      // Eight or a few more each time, before anything is removed.
      for (let asked = 0; asked < locked.size; ) {
        asked = locked.size;
        await collect(registry, { graceMs: 0, removeBytes }).catch((error: unknown) =>
          assert.match(String(error), /locked/),
        );
      }
      assert.equal((await countFloodLeft(registry.database.read)).bytes, lockedCount);
      await collect(registry, { graceMs: 0, removeBytes }); // not asked for again at once
      registry.advance(600_000);
      await assert.rejects(collect(registry, { graceMs: 0, removeBytes }), /locked/);
      locked.clear();
      registry.advance(600_000);
      await collect(registry, { graceMs: 0, removeBytes: async () => undefined });
      assert.equal((await countFloodLeft(registry.database.read)).bytes, 0);
    }
  });

  test("a store that is away is not asked for everything; what was removed before is forgotten", async (t) => {
    const registry = await openTestRegistry(open, t);
    await floodWithGarbage(registry.database, { count: 200, repositories: 1, sizeBytes: 1 });
    let calls = 0;
    const removeBytes = async () => {
      calls += 1;
      if (calls > 50) throw new Error("the bucket says 503");
      return undefined;
    };
    await assert.rejects(collect(registry, { graceMs: 0, removeBytes }), /503/);
    assert.ok(calls > 50 && calls < 70, `${calls} calls`);
    const { bytes } = await countFloodLeft(registry.database.read);
    assert.equal(bytes, 150);
    registry.advance(600_000);
    assert.deepEqual(await collect(registry, { graceMs: 0 }), { ...nothing, bytes });
  });
});

function collect(registry: TestRegistry, more: Partial<GarbageDeps> = {}) {
  const deps = { ...registry.deps, graceMs, untaggedAfterMs: undefined, ...more };
  return collectGarbage(deps, new AbortController().signal);
}
