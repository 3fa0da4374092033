import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "./app-error.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";

function setUp() {
  let nowMs = 1_000_000;
  const breaker = createCircuitBreaker({
    clock: { nowMs: () => nowMs },
    failures: 2,
    pauseMs: 10_000,
    isFailure: (error) => error instanceof RangeError,
    what: "the service",
  });
  const fail = () => breaker.run(() => Promise.reject(new RangeError("down")));
  return { breaker, fail, move: (byMs: number) => (nowMs += byMs) };
}

test("runs nothing after failures in a row, and says when to come again", async () => {
  const { breaker, fail } = setUp();
  await assert.rejects(fail(), RangeError);
  await assert.rejects(fail(), RangeError);
  let ran = false;
  const job = async () => {
    ran = true;
  };
  await assert.rejects(breaker.run(job), (error) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, "UNAVAILABLE");
    assert.equal(error.retryAfterSeconds, 10);
    return true;
  });
  assert.equal(ran, false);
});

test("lets one job through after the pause, and closes when it goes well", async () => {
  const { breaker, fail, move } = setUp();
  await assert.rejects(fail(), RangeError);
  await assert.rejects(fail(), RangeError);
  move(10_000);
  let finish: (value: string) => void = () => undefined;
  const first = breaker.run(() => new Promise<string>((resolve) => (finish = resolve)));
  await assert.rejects(
    breaker.run(async () => "second"),
    { code: "UNAVAILABLE" },
  );
  finish("first");
  assert.equal(await first, "first");
  assert.equal(await breaker.run(async () => "third"), "third");
});

test("opens again when the job that was let through fails", async () => {
  const { breaker, fail, move } = setUp();
  await assert.rejects(fail(), RangeError);
  await assert.rejects(fail(), RangeError);
  move(10_000);
  await assert.rejects(fail(), RangeError);
  await assert.rejects(
    breaker.run(async () => "no"),
    { code: "UNAVAILABLE" },
  );
});

test("does not count what is no failure of the service", async () => {
  const { breaker, fail } = setUp();
  await assert.rejects(fail(), RangeError);
  await assert.rejects(
    breaker.run(() => Promise.reject(new Error("wrong password"))),
    Error,
  );
  await assert.rejects(fail(), RangeError);
  assert.equal(await breaker.run(async () => "fine"), "fine");
});
