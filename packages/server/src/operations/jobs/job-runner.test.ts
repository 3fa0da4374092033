import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { openTestJobs, testKind } from "./testing/open-test-jobs.ts";

const leaseMs = 60_000;

eachDatabase((open) => {
  test("a process that takes a job of its own once more keeps the new attempt, whatever becomes of the old one", async (t) => {
    const attempts: { readonly signal: AbortSignal; readonly end: () => void }[] = [];
    const kind = testKind((_job, signal) => new Promise<void>((end) => void attempts.push({ signal, end })));
    const house = openTestJobs(t, await open(t), [kind], { beatMs: 50, leaseMs });
    await house.instance().start();
    const id = await house.enqueue(kind);
    await soon(() => attempts.length === 1);
    // Its lease ends before it is renewed, as after a freeze: until it looks for work between two beats.
    for (let { fence } = await house.job(id); fence === 1; { fence } = await house.job(id)) {
      house.clock.move(leaseMs + 1);
      await soon(async () => ((await house.job(id)).leaseUntilMs ?? 0) > house.clock.nowMs());
    }
    await soon(() => attempts.length === 2);
    const [old, young] = attempts;
    assert.equal(old?.signal.aborted, true);
    old.end();
    for (let beats = 0; beats < 5; beats += 1) {
      const { leaseUntilMs = 0 } = await house.job(id);
      house.clock.move(1_000);
      await soon(async () => ((await house.job(id)).leaseUntilMs ?? 0) > leaseUntilMs);
    }
    assert.equal(young?.signal.aborted, false);
    young.end();
    assert.equal((await house.until(id, "done")).attempts, 2);
    assert.equal(attempts.length, 2);
  });
});

/** Fails when it is not so after a minute. */
async function soon(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, isSo.toString());
    await delay(5);
  }
}
