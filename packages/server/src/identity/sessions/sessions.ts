import type { IncomingHttpHeaders } from "node:http";
import type { UserActor } from "../../access/actor.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { CallSite } from "../../http/http-deps.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { FactorVerifier } from "../mfa/verify-factor.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { createSessionFinder } from "./find-session.ts";
import { sessionEndpoints } from "./session-routes.ts";
import { pruneSessions } from "./session-store.ts";
import { signInEndpoints } from "./sign-in-routes.ts";
import { stepUpEndpoints } from "./step-up-routes.ts";

/** Browsers that are signed in. */
export interface Sessions {
  readonly endpoints: readonly Endpoint[];
  /** Who a request's cookie says it is from; undefined when it says nothing. `CROSS_SITE`. */
  find(headers: IncomingHttpHeaders, site: CallSite): Promise<UserActor | undefined>;
  /** Drops what has ended by itself; bounded, may be repeated. */
  prune(): Promise<void>;
}

const pruneBatch = 1_000;

export function createSessions(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  factors: FactorVerifier,
): Sessions {
  return {
    endpoints: [
      ...signInEndpoints(deps, secrets, factors),
      ...stepUpEndpoints(deps, secrets, factors),
      ...sessionEndpoints(deps),
    ],
    find: createSessionFinder(deps, (userId) => secrets.findLiving(userId, undefined, "unknown")),
    async prune() {
      const nowMs = deps.clock.nowMs();
      const alive = { nowMs, seenAfterMs: nowMs - deps.sessions.idleMs };
      await deps.database.transaction((tx) => pruneSessions(tx, alive, pruneBatch), { durable: false });
    },
  };
}
