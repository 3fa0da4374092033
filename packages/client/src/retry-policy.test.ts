import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorCode, isBrokenConnection, parseRetryAfter, pause, retryDelayMs } from "./retry-policy.ts";

const policy = { attempts: 4, firstDelayMs: 100, maxDelayMs: 1_000 };

describe("retry policy", () => {
  it("doubles the wait, half of it random, up to the limit", () => {
    for (const [attempt, full] of [
      [1, 100],
      [2, 200],
      [3, 400],
    ] as const) {
      const delayMs = retryDelayMs(policy, attempt, undefined) ?? 0;
      assert.equal(delayMs >= full / 2 && delayMs < full, true, `attempt ${attempt}: ${delayMs}`);
    }
    const capped = retryDelayMs({ ...policy, attempts: 99 }, 50, undefined) ?? 0;
    assert.equal(capped >= 500 && capped <= 1_000, true);
  });

  it("ends when the attempts are used up", () => {
    assert.equal(retryDelayMs(policy, 4, undefined), undefined);
    assert.equal(retryDelayMs(policy, 4, 10), undefined);
  });

  it("waits as long as the registry asks, but not longer than allowed", () => {
    assert.equal(retryDelayMs(policy, 1, 1_000), 1_000);
    assert.equal(retryDelayMs(policy, 1, 1_001), undefined);
  });

  it("reads Retry-After in seconds, and as a date by the answer's own clock", () => {
    assert.equal(parseRetryAfter("7", undefined), 7_000);
    const date = "Wed, 21 Oct 2015 07:28:00 GMT";
    assert.equal(parseRetryAfter("Wed, 21 Oct 2015 07:28:30 GMT", date), 30_000);
    assert.equal(parseRetryAfter("Wed, 21 Oct 2015 07:27:00 GMT", date), 0);
    for (const malformed of ["", "soon", "-1", "1e3", "Wed, 21 Oct 2015 07:28:30 GMT"]) {
      assert.equal(parseRetryAfter(malformed, undefined), undefined);
    }
    assert.equal(parseRetryAfter(undefined, date), undefined);
  });

  it("finds the code of an error in its cause", () => {
    const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" });
    assert.equal(errorCode(new Error("outer", { cause: reset })), "ECONNRESET");
    assert.equal(isBrokenConnection(new Error("outer", { cause: reset })), true);
    assert.equal(isBrokenConnection(new Error("other")), false);
    assert.equal(errorCode("text"), "");
  });

  it("ends a pause with the reason of an abort", async () => {
    const abort = new AbortController();
    const pausing = pause(60_000, abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(pausing, /enough/);
  });
});
