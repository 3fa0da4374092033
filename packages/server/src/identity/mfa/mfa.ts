import type { UserActor } from "../../access/actor.ts";
import type { MfaPlace } from "../../http/check-sign-in.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { createMfaPolicy } from "./mfa-policy.ts";
import { mfaEndpoints } from "./mfa-routes.ts";
import { pruneUsedTickets } from "./ticket-store.ts";
import { createFactorVerifier, type FactorVerifier } from "./verify-factor.ts";

/** What people show beside their password, and who must. */
export interface Mfa {
  readonly endpoints: readonly Endpoint[];
  readonly factors: FactorVerifier;
  /** `MFA_REQUIRED` when the actor must have shown a second factor to do anything there, and has not. */
  check(actor: UserActor, place: MfaPlace): Promise<void>;
  /** Drops what has run out; bounded, may be repeated. */
  prune(): Promise<void>;
}

const pruneBatch = 1_000;

export function createMfa(deps: IdentityDeps): Mfa {
  return {
    endpoints: mfaEndpoints(deps),
    factors: createFactorVerifier(deps),
    check: createMfaPolicy(deps),
    async prune() {
      const nowMs = deps.clock.nowMs();
      await deps.database.transaction((tx) => pruneUsedTickets(tx, nowMs, pruneBatch), { durable: false });
    },
  };
}
