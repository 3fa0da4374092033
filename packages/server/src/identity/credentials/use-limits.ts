import type { UseLimits } from "../../access/actor.ts";

/** Limits as they are asked for: null = none, absent = as it is (none for what is new). */
export interface AskedLimits {
  readonly maxPullsPerHour?: number | null;
  readonly maxRequestsPerMinute?: number | null;
}

/** The limits of a new credential. */
export function limitsOf(asked: AskedLimits): UseLimits {
  return {
    maxPullsPerHour: asked.maxPullsPerHour ?? undefined,
    maxRequestsPerMinute: asked.maxRequestsPerMinute ?? undefined,
  };
}

/** What an `AccessTokenChange` has of them: only what was given. */
export function limitChangesOf({ maxPullsPerHour, maxRequestsPerMinute }: AskedLimits): Partial<UseLimits> {
  return {
    ...(maxPullsPerHour === undefined ? {} : { maxPullsPerHour: maxPullsPerHour ?? undefined }),
    ...(maxRequestsPerMinute === undefined
      ? {}
      : { maxRequestsPerMinute: maxRequestsPerMinute ?? undefined }),
  };
}

/** As the API and the audit tell them. */
export function shapeLimits({ maxPullsPerHour, maxRequestsPerMinute }: Partial<UseLimits>) {
  return { maxPullsPerHour: maxPullsPerHour ?? null, maxRequestsPerMinute: maxRequestsPerMinute ?? null };
}
