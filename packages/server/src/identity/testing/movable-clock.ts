import type { Clock } from "../../lib/clock.ts";

/** A clock that stands still until a test moves it. */
export interface MovableClock extends Clock {
  move(byMs: number): void;
}

export function createMovableClock(startMs = 1_800_000_000_000): MovableClock {
  let nowMs = startMs;
  return {
    nowMs: () => nowMs,
    move(byMs) {
      nowMs += byMs;
    },
  };
}
