import { performance } from "node:perf_hooks";
import type { Log } from "../../../lib/log.ts";
import type { AsideOutcome } from "../replica.ts";

/** When a replica is worth asking. */
export interface ReplicaPauses {
  /** After a pause, true for one read only, until it is told what became of that. */
  mayAsk(): boolean;
  told(outcome: AsideOutcome, error?: unknown): void;
  /** Since when it has been behind without a read that it answered; 0 = it is not. */
  behindMs(): number;
}

const laggingMs = 250;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** Longer than a trial that fails takes; one that takes longer reads a page. */
const trialMs = 1_000;
const forgottenMs = 60_000;

/** A quarter of a second for one that lags; for one that fails a second, and twice as long each time up to half a minute. */
export function createReplicaPauses(log: Log): ReplicaPauses {
  let isFine = true;
  let isTrial = false;
  let pausedUntilMs = 0;
  let failures = 0;
  let behindSinceMs: number | undefined;
  let behindAtMs = 0;

  function noteBehind(nowMs: number): void {
    // Behind now and behind long ago, with nobody asking between, is not behind all the time.
    if (behindSinceMs === undefined || nowMs - behindAtMs > forgottenMs) behindSinceMs = nowMs;
    behindAtMs = nowMs;
  }

  function pause(outcome: AsideOutcome, nowMs: number): void {
    if (outcome === "lagging") {
      pausedUntilMs = nowMs + laggingMs;
      return;
    }
    pausedUntilMs = nowMs + Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
    failures += 1;
  }

  return {
    mayAsk() {
      if (isFine) return true;
      const nowMs = performance.now();
      if (nowMs < pausedUntilMs) return false;
      pausedUntilMs = nowMs + trialMs;
      isTrial = true;
      return true;
    },
    told(outcome, error) {
      const nowMs = performance.now();
      if (outcome === "lagging") noteBehind(nowMs);
      else behindSinceMs = undefined;
      if (outcome === "replica" || outcome === "lagging") {
        if (failures > 0) log.info({}, "the read replica is used again");
        failures = 0;
      }
      const wasAwaited = isFine || isTrial;
      isFine = outcome === "replica";
      isTrial = false;
      if (isFine) return;
      if (outcome !== "lagging" && failures === 0)
        log.warn({ error, outcome }, "the read replica is not used; the primary answers");
      // Reads that were under way together fail together: that is one failure.
      if (wasAwaited) pause(outcome, nowMs);
    },
    behindMs: () => (behindSinceMs === undefined ? 0 : performance.now() - behindSinceMs),
  };
}
