import assert from "node:assert/strict";
import { test } from "node:test";
import { createPace } from "./keep-pace.ts";

test("rests as long as it worked at fifty percent, and not at all at a hundred", async () => {
  for (const [percent, least] of [
    [50, 40],
    [100, 0],
  ] as const) {
    let nowMs = 0;
    const pace = createPace(percent, () => nowMs);
    nowMs = 40;
    const startedAtMs = performance.now();
    await pace(new AbortController().signal);
    const restedMs = performance.now() - startedAtMs;
    assert.ok(restedMs >= least - 2, `${restedMs} ms at ${percent} %`);
  }
});

test("a rest ends when the work is to stop, without an error", async () => {
  let nowMs = 0;
  const pace = createPace(1, () => nowMs);
  nowMs = 60_000;
  const stopping = new AbortController();
  const rest = pace(stopping.signal);
  stopping.abort();
  await rest;
});
