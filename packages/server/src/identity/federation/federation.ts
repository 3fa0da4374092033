import type { Endpoint } from "../../http/endpoint.ts";
import { createRequestLimiter } from "../accounts/request-limiter.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { FederationDeps } from "./exchange-token.ts";
import { federationEndpoints } from "./federation-routes.ts";
import { createIssuerKeys } from "./issuer-keys.ts";
import { trustRuleEndpoints } from "./trust-rule-routes.ts";
import { pruneSpentTokens } from "./trust-rule-store.ts";

/** Tokens of CI systems and clusters in exchange for credentials of ours. */
export interface Federation {
  readonly endpoints: readonly Endpoint[];
  /** Drops what nobody needs to remember any more; bounded, may be repeated. */
  prune(): Promise<void>;
}

/** Of one network: CI systems have many jobs behind one address, but few that are refused. */
const refusalLimits = { maxPerNetwork: 100, windowMs: 60_000 };
const pruneBatch = 1_000;

export function createFederation(options: IdentityDeps): Federation {
  const deps: FederationDeps = {
    ...options,
    keys: createIssuerKeys(options),
    refusals: createRequestLimiter(options.clock, refusalLimits),
  };
  return {
    endpoints: [...federationEndpoints(deps), ...trustRuleEndpoints(deps)],
    async prune() {
      await deps.database.transaction((tx) => pruneSpentTokens(tx, deps.clock.nowMs(), pruneBatch), {
        durable: false,
      });
    },
  };
}
