import assert from "node:assert/strict";
import { test } from "node:test";
import { createTokenBuckets } from "./token-buckets.ts";

function setUp(perMinute: number, maxKeys = 100) {
  let nowMs = 1_000_000;
  const buckets = createTokenBuckets({ nowMs: () => nowMs }, { perMinute, maxKeys });
  return {
    take: (key = "a") => buckets.take(key),
    move: (byMs: number) => {
      nowMs += byMs;
    },
  };
}

test("gives a minute's worth at once, and then as it fills up", () => {
  const { take, move } = setUp(60);
  for (let use = 0; use < 60; use += 1) assert.equal(take().isAllowed, true);
  assert.deepEqual(take(), { isAllowed: false, capacity: 60, left: 0, nextMs: 1_000 });
  move(999);
  assert.equal(take().isAllowed, false);
  move(1);
  assert.deepEqual(take(), { isAllowed: true, capacity: 60, left: 0, nextMs: 1_000 });
  move(3_600_000);
  assert.equal(take().left, 59, "never more than it holds");
});

test("asking in vain costs nothing", () => {
  const { take, move } = setUp(1);
  take();
  for (let use = 0; use < 10; use += 1) assert.equal(take().isAllowed, false);
  move(60_000);
  assert.equal(take().isAllowed, true);
});

test("keys have buckets of their own, and a clock that was set back harms nobody", () => {
  const { take, move } = setUp(2);
  take("a");
  take("a");
  assert.equal(take("b").isAllowed, true);
  move(-3_600_000);
  assert.equal(take("b").isAllowed, true);
  assert.equal(take("a").isAllowed, false);
});

test("remembers no more keys than it may", () => {
  const { take } = setUp(1, 2);
  for (const key of ["a", "b", "c"]) take(key);
  assert.equal(take("c").isAllowed, false);
  assert.equal(take("a").isAllowed, true, "it was forgotten");
});
