import type { Endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { issuedEndpoints } from "./issued-routes.ts";
import { pruneIssued } from "./issued-store.ts";
import { issuerEndpoints } from "./issuer-routes.ts";

/** Delegated principals that make credentials for others, within a box. */
export interface Issuers {
  readonly endpoints: readonly Endpoint[];
  /** Removes accounts whose credential has been expired for a month; bounded, may be repeated. */
  prune(): Promise<void>;
}

const keptExpiredMs = 30 * 86_400_000;
const pruneBatch = 1_000;

export function createIssuers(deps: IdentityDeps): Issuers {
  return {
    endpoints: [...issuerEndpoints(deps), ...issuedEndpoints(deps)],
    prune: () =>
      deps.database.transaction((tx) => pruneIssued(tx, deps.clock.nowMs() - keptExpiredMs, pruneBatch), {
        durable: false,
      }),
  };
}
