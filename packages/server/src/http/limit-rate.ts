import type { Actor } from "../access/actor.ts";
import { AppError } from "../lib/app-error.ts";
import type { Clock } from "../lib/clock.ts";
import { networkOf } from "../lib/network-of.ts";
import { createTokenBuckets, type Taken } from "../lib/token-buckets.ts";

/** How many requests a minute one of each may make, all at once if it likes; 0 = as many as it likes. */
export interface RateLimits {
  readonly perAddress: number;
  readonly perAccount: number;
  readonly perCredential: number;
}

/** What a reply tells of the limit that is nearest. */
export interface RateState extends Taken {
  readonly policy: "address" | "account" | "credential";
}

/** Counts requests against the limits. In this process only: N instances let N times as many through. */
export interface RateLimiter {
  /** Before anybody knows who it is. */
  byAddress(address: string): readonly RateState[] | undefined;
  byActor(actor: Actor): readonly RateState[];
}

const maxKeys = 50_000;

/** A credential may have a limit of its own, which is never above that of all. What is not limited costs nothing. */
export function createRateLimiter(limits: RateLimits, clock: Clock): RateLimiter {
  const policy = (name: RateState["policy"], perMinute: number) => {
    if (perMinute === 0) return undefined;
    const buckets = createTokenBuckets(clock, { perMinute, maxKeys });
    return (key: string): RateState => ({ ...buckets.take(key), policy: name });
  };
  const perCredential = limits.perCredential === 0 ? Number.POSITIVE_INFINITY : limits.perCredential;
  const buckets = createTokenBuckets(clock, { perMinute: perCredential, maxKeys });
  const takeCredential = (actor: Actor): RateState | undefined => {
    const own = actor.kind === "user" ? actor.useLimits?.maxRequestsPerMinute : undefined;
    if (own === undefined && limits.perCredential === 0) return undefined;
    const shown = credentialOf(actor);
    if (shown === undefined) return undefined;
    return { ...buckets.take(shown, Math.min(own ?? perCredential, perCredential)), policy: "credential" };
  };
  const address = policy("address", limits.perAddress);
  const account = policy("account", limits.perAccount);
  return {
    byAddress: (from) => (address === undefined ? undefined : [address(networkOf(from))]),
    byActor(actor) {
      const who = account === undefined ? undefined : accountOf(actor);
      const states = [who === undefined ? undefined : account?.(who), takeCredential(actor)];
      return states.filter((state) => state !== undefined);
    },
  };
}

/** The one that is nearest to its limit, the one before among them. */
export function nearestLimit(
  states: readonly RateState[],
  before: RateState | undefined,
): RateState | undefined {
  return states.reduce<RateState | undefined>(
    (nearest, state) => (nearest === undefined || share(state) < share(nearest) ? state : nearest),
    before,
  );
}

/** The refusal that a state means; undefined when it means none. */
export function rateRefusal(state: RateState | undefined): AppError | undefined {
  if (state === undefined || state.isAllowed) return undefined;
  return new AppError("TOOMANYREQUESTS", `too many requests from this ${state.policy}; slow down`, {
    retryAfterSeconds: seconds(state.nextMs),
  });
}

/** draft-ietf-httpapi-ratelimit-headers-10: the policy, and what is left of it. */
export function rateHeaders(state: RateState): Readonly<Record<string, string>> {
  return {
    "ratelimit-policy": `"${state.policy}";q=${state.capacity};w=60`,
    ratelimit: `"${state.policy}";r=${state.left};t=${seconds(state.nextMs)}`,
  };
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

/** What is refused is nearer than what has little left. */
function share(state: RateState): number {
  return state.isAllowed ? state.left / state.capacity : -1;
}

function accountOf(actor: Actor): string | undefined {
  if (actor.kind === "user") return `user ${actor.userId}`;
  return actor.kind === "external" ? `external ${actor.authority} ${actor.principal}` : undefined;
}

function credentialOf(actor: Actor): string | undefined {
  if (actor.kind !== "user") return undefined;
  const { userId, credential, accessTokenId, sessionId } = actor;
  return `${userId} ${accessTokenId ?? ""} ${sessionId ?? ""} ${accessTokenId === undefined ? credential : ""}`;
}
