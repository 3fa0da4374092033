import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";

/** Rests after each batch. Resolves early, without throwing, when the work is to stop. */
export type KeepPace = (signal: AbortSignal) => Promise<void>;

const longestRestMs = 5_000;

/**
 * Lets work take so many percent of the time that passes: after each batch it rests in proportion to how long the batch took, so that a database or a disk
 * that others make slow is asked less often by itself. 100 = no rest but a turn of the event loop.
 */
export function createPace(loadPercent: number, nowMs: () => number = () => performance.now()): KeepPace {
  let restedAtMs = nowMs();
  return async (signal) => {
    const busyMs = nowMs() - restedAtMs;
    const restMs = Math.min(longestRestMs, (busyMs * (100 - loadPercent)) / loadPercent);
    if (restMs < 1) await nextTurn();
    else await wait(restMs, undefined, { signal }).catch(() => undefined);
    restedAtMs = nowMs();
  };
}
