import type { JobKind } from "../../activity/jobs/job-kind.ts";

const defaultFirstMs = 5_000;
const defaultLongestMs = 3_600_000;

/**
 * How long to wait after so many failures (1 = the first): twice as long each time, up to a limit, and somewhere between half of that and all of it, so
 * that what failed together is not tried again together. `random` is between 0 and 1.
 */
export function pauseMs(
  kind: Pick<JobKind, "firstPauseMs" | "longestPauseMs">,
  failures: number,
  random: () => number,
): number {
  const first = kind.firstPauseMs ?? defaultFirstMs;
  const longest = kind.longestPauseMs ?? defaultLongestMs;
  const full = Math.min(longest, first * 2 ** Math.min(failures - 1, 30));
  return Math.round(full / 2 + (full / 2) * random());
}
