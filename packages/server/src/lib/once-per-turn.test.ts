import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { oncePerTurn } from "./once-per-turn.ts";

test("asks once in a turn, and again in the next", async () => {
  let asked = 0;
  const question = oncePerTurn(() => ++asked);
  assert.equal(question(), 1);
  await Promise.resolve();
  assert.equal(question(), 1, "a microtask belongs to the same turn");
  await nextTurn();
  assert.equal(question(), 2);
});

test("asks again after the question threw", () => {
  let asked = 0;
  const question = oncePerTurn(() => {
    asked += 1;
    if (asked === 1) throw new Error("not now");
    return asked;
  });
  assert.throws(question, /not now/);
  assert.equal(question(), 2);
});
