import type { Endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { accountPageEndpoints } from "./account-page-routes.ts";
import { accountEndpoints } from "./account-routes.ts";
import { pruneAccountLinks } from "./account-store.ts";
import { createRequestLimiter } from "./request-limiter.ts";

/** Accounts that people make, recover and change themselves, by e-mail. */
export interface Accounts {
  readonly endpoints: readonly Endpoint[];
  /** Drops links that have expired; bounded, may be repeated. */
  prune(): Promise<void>;
}

const pruneBatch = 1_000;
/** Requests of one network that make the registry write mail. */
const mailLimits = { maxPerNetwork: 30, windowMs: 3_600_000 };

export function createAccounts(deps: IdentityDeps, secrets: SecretVerifier): Accounts {
  const limit = createRequestLimiter(deps.clock, mailLimits);
  return {
    endpoints: [...accountEndpoints(deps, secrets, limit), ...accountPageEndpoints()],
    async prune() {
      await deps.database.transaction((tx) => pruneAccountLinks(tx, deps.clock.nowMs(), pruneBatch), {
        durable: false,
      });
    },
  };
}
