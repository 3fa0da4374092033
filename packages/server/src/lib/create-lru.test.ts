import assert from "node:assert/strict";
import { test } from "node:test";
import { createLru } from "./create-lru.ts";

test("keeps what was used last, and tells what it gives up, but not what is deleted or replaced", () => {
  const evicted: string[] = [];
  const kept = createLru<string, number>(2, { onEvict: (value, key) => evicted.push(`${key}=${value}`) });
  kept.set("a", 1);
  kept.set("b", 2);
  assert.equal(kept.get("a"), 1);
  kept.set("c", 3);
  assert.deepEqual([kept.get("a"), kept.get("b"), kept.get("c")], [1, undefined, 3]);
  kept.set("c", 4);
  kept.delete("c");
  assert.deepEqual(evicted, ["b=2"]);
  kept.set("d", 5);
  assert.equal(kept.size, 2);
});

test("takes no room for what is not in it", () => {
  const before = process.memoryUsage();
  const many = Array.from({ length: 50 }, () => createLru<string, number>(100_000));
  const after = process.memoryUsage();
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  assert.ok(grown < 2_000_000, `${grown} bytes for ${many.length}`);
});

test("gives up what was used longest ago when the rest weighs too much", () => {
  const kept = createLru<string, number>(10, { weightOf: (value) => value });
  kept.set("a", 4);
  kept.set("b", 5);
  kept.set("c", 3);
  assert.deepEqual([kept.has("a"), kept.has("b"), kept.has("c")], [false, true, true]);
});
