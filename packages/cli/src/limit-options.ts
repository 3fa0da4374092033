import type { Command } from "commander";
import { parseWholeNumber } from "./parse-whole-number.ts";

/** How often a credential may be used. */
export interface LimitOptions {
  readonly maxPullsPerHour?: string;
  readonly maxRequestsPerMinute?: string;
}

const most = 10_000_000;

/** Adds the options. */
export function withLimits(command: Command): Command {
  return command
    .option("--max-pulls-per-hour <n>", "manifests that it may read in an hour")
    .option("--max-requests-per-minute <n>", "requests that it may make in a minute");
}

/** What a request's body has of them: only what was given. */
export function limitsFrom(options: LimitOptions) {
  return {
    ...(options.maxPullsPerHour !== undefined && {
      maxPullsPerHour: parseWholeNumber(options.maxPullsPerHour, "--max-pulls-per-hour", 1, most),
    }),
    ...(options.maxRequestsPerMinute !== undefined && {
      maxRequestsPerMinute: parseWholeNumber(
        options.maxRequestsPerMinute,
        "--max-requests-per-minute",
        1,
        most,
      ),
    }),
  };
}
