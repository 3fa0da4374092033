import assert from "node:assert/strict";
import { test } from "node:test";
import { createGuardedCache } from "./guarded-cache.ts";

interface Fact {
  readonly text: string;
}

function open(stamp: () => number | undefined) {
  return createGuardedCache<Fact>({ maxBytes: 10_000, sizeBytes: () => 10, foreignChangeStamp: stamp });
}

test("loads once while nothing changes", async () => {
  const cache = open(() => 1);
  let loads = 0;
  const load = async () => ({ text: String(++loads) });
  assert.deepEqual(await cache.get("a", load), { text: "1" });
  assert.deepEqual(await cache.get("a", load), { text: "1" });
  assert.deepEqual(cache.peek("a"), { text: "1" });
});

test("forgets everything when another process may have written", async () => {
  let stamp = 1;
  const cache = open(() => stamp);
  await cache.get("a", async () => ({ text: "old" }));
  stamp = 2;
  assert.equal(cache.peek("a"), undefined);
  assert.deepEqual(await cache.get("a", async () => ({ text: "new" })), { text: "new" });
});

test("keeps nothing where changes of others cannot be told", async () => {
  const cache = open(() => undefined);
  let loads = 0;
  const load = async () => ({ text: String(++loads) });
  await cache.get("a", load);
  assert.deepEqual(await cache.get("a", load), { text: "2" });
  assert.equal(cache.peek("a"), undefined);
});

test("does not keep what was read before a change and arrived after it", async () => {
  const cache = open(() => 1);
  const { promise: slow, resolve } = Promise.withResolvers<Fact>();
  const reading = cache.get("a", () => slow);
  cache.forget(["a"]);
  resolve({ text: "old" });
  assert.deepEqual(await reading, { text: "old" });
  assert.equal(
    cache.peek("a"),
    undefined,
    "the reader got what was true when it asked, the next one asks again",
  );
});

test("does not keep what was read before another process wrote", async () => {
  let stamp = 1;
  const cache = open(() => stamp);
  const { promise: slow, resolve } = Promise.withResolvers<Fact>();
  const reading = cache.get("a", () => slow);
  stamp = 2;
  resolve({ text: "old" });
  await reading;
  assert.equal(cache.peek("a"), undefined);
});

test("does not keep absence", async () => {
  const cache = open(() => 1);
  assert.equal(await cache.get("a", async () => undefined), undefined);
  assert.deepEqual(await cache.get("a", async () => ({ text: "there now" })), { text: "there now" });
});

test("clears on demand", async () => {
  const cache = open(() => 1);
  await cache.get("a", async () => ({ text: "x" }));
  cache.clear();
  assert.equal(cache.peek("a"), undefined);
});
