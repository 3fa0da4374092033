import type { Clock } from "../../lib/clock.ts";

/** Stops asking somebody who does not answer. Closed: everything passes. Open: nothing. Half open: one probe at a time. */
export interface CircuitBreaker {
  /** Whether a question may be asked now; true must be followed by one `succeeded`, `failed` or `abandoned`. */
  enter(): boolean;
  succeeded(): void;
  failed(): void;
  /** Nothing was found out. */
  abandoned(): void;
  state(): "closed" | "open" | "half-open";
}

const failuresToOpen = 5;
const firstPauseMs = 2_000;
const longestPauseMs = 30_000;

export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let failures = 0;
  let pauseMs = firstPauseMs;
  let openedAtMs: number | undefined;
  let isProbing = false;

  const isPaused = () => openedAtMs !== undefined && Math.abs(clock.nowMs() - openedAtMs) < pauseMs;

  return {
    enter() {
      if (openedAtMs === undefined) return true;
      if (isPaused() || isProbing) return false;
      isProbing = true;
      return true;
    },
    succeeded() {
      failures = 0;
      pauseMs = firstPauseMs;
      openedAtMs = undefined;
      isProbing = false;
    },
    failed() {
      failures += 1;
      if (openedAtMs !== undefined) {
        // A probe failed; what was still under way when it opened tells nothing new.
        if (!isProbing) return;
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      } else if (failures < failuresToOpen) return;
      openedAtMs = clock.nowMs();
      isProbing = false;
    },
    abandoned() {
      isProbing = false;
    },
    state() {
      if (openedAtMs === undefined) return "closed";
      return isPaused() ? "open" : "half-open";
    },
  };
}
