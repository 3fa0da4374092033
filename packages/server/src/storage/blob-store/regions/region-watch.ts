import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";

/** How one region does, as this process sees it. */
export interface RegionWatch {
  /** False while it is known to fail, but for one call now and then that finds out whether it is back. */
  mayTry(): boolean;
  /** It fails. */
  isDown(): boolean;
  /** It fails, or was silent lately: others are asked first. */
  isDoubtful(): boolean;
  /** It has just read or written something. */
  worked(): void;
  /** It has been silent for long, which need not mean that it fails. */
  wasSlow(): void;
  /** What a store throws; answers such as "not there" show that it works. */
  failed(error: unknown): void;
  /** Since when it fails, and how; undefined = the last that was heard of it is good. */
  trouble(): { readonly sinceMs: number; readonly error: string } | undefined;
}

const failuresUntilDown = 2;
const pauseMs = 5_000;
const doubtMs = 30_000;
/** What is said of a blob or of what a client sent: a client must not be able to make a region look as if it failed. */
const answers: ReadonlySet<string> = new Set([
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_UNKNOWN",
  "SIZE_INVALID",
  "STORAGE_FULL",
  // That the caller may not change an upload any more.
  "CONFLICT",
]);

export function createRegionWatch(clock: Clock): RegionWatch {
  let failures = 0;
  let sinceMs = 0;
  let triedAtMs = 0;
  let message = "";
  let slowAtMs: number | undefined;
  // The distance, as a clock that was set back must not keep a region away for ever.
  const isPausing = () => Math.abs(clock.nowMs() - triedAtMs) < pauseMs;
  const worked = () => {
    failures = 0;
    slowAtMs = undefined;
  };
  const isDown = () => failures >= failuresUntilDown;
  return {
    mayTry() {
      if (failures < failuresUntilDown) return true;
      if (isPausing()) return false;
      triedAtMs = clock.nowMs();
      return true;
    },
    isDown,
    isDoubtful: () => isDown() || (slowAtMs !== undefined && Math.abs(clock.nowMs() - slowAtMs) < doubtMs),
    worked,
    wasSlow() {
      slowAtMs = clock.nowMs();
    },
    failed(error) {
      if (isAnswer(error)) return worked();
      if (failures === 0) sinceMs = clock.nowMs();
      failures += 1;
      triedAtMs = clock.nowMs();
      message = error instanceof Error ? error.message : String(error);
    },
    trouble: () => (failures === 0 ? undefined : { sinceMs, error: message }),
  };
}

/** Whether an error says what the region holds, rather than that it fails. */
export function isAnswer(error: unknown): boolean {
  return error instanceof AppError && answers.has(error.code);
}
