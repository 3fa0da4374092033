import assert from "node:assert/strict";
import { test } from "node:test";
import { createBufferPool } from "./buffer-pool.ts";

const limits = { largeBytes: 1_024, smallBytes: 16, maxLarge: 2, maxKept: 1 };

test("lends large buffers until as many are out as may be, then small ones", () => {
  const pool = createBufferPool(limits);
  const lent = [pool.take(), pool.take(), pool.take()];
  assert.deepEqual(
    lent.map((buffer) => buffer.byteLength),
    [1_024, 1_024, 16],
  );
  assert.equal(pool.lent(), 2);
  for (const buffer of lent) pool.giveBack(buffer);
  assert.equal(pool.lent(), 0);
});

test("lends again what came back, but never what the socket may still hold", () => {
  const pool = createBufferPool(limits);
  const [kept, dropped] = [pool.take(), pool.take()];
  pool.drop(dropped);
  pool.giveBack(kept);
  assert.equal(pool.take(), kept);
  assert.notEqual(pool.take(), dropped);
});

test("keeps no more than it was told to", () => {
  const pool = createBufferPool(limits);
  const [first, second] = [pool.take(), pool.take()];
  pool.giveBack(first);
  pool.giveBack(second);
  assert.equal(pool.take(), first);
  assert.notEqual(pool.take(), second);
});
