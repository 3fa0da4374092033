import { matchesRepository } from "@entrepot/oci/path-pattern";
import type { Access } from "../../access/access.ts";
import type { ExternalActor } from "../../access/actor.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { TokenRealm } from "../../http/http-deps.ts";
import type { Clock } from "../../lib/clock.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import type { Database } from "../../storage/database/database.ts";
import { createIssuerKeys } from "./issuer-keys.ts";
import { knownTokenIssuers } from "./manage-token-issuers.ts";
import { tokenIssuerEndpoints } from "./token-issuer-routes.ts";
import { createOutsideTokenVerifier } from "./verify-outside-token.ts";

/** Token services outside, as the areas around see them. */
export interface TokenIssuers {
  /** The actor of one of their tokens; undefined = it is none of theirs. */
  readonly verifyToken: (
    token: string,
    takesEnded?: () => Promise<boolean>,
  ) => Promise<ExternalActor | undefined>;
  /** Where a client gets a token for the repository, if not from us. */
  realmOf(repository: string): Promise<TokenRealm | undefined>;
  endpoints(access: Access): readonly Endpoint[];
}

export function createTokenIssuers(deps: {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly outgoing: OutgoingHttp;
}): TokenIssuers {
  const issuers = () => knownTokenIssuers(deps);
  const findKey = createIssuerKeys(deps);
  return {
    verifyToken: createOutsideTokenVerifier({ clock: deps.clock, issuers, findKey }),
    async realmOf(repository) {
      const found = (await issuers()).find(
        ({ realm, patterns }) =>
          realm !== undefined && patterns.some((pattern) => matchesRepository(pattern, repository)),
      );
      return found?.realm === undefined ? undefined : { realm: found.realm, service: found.audience };
    },
    endpoints: (access) => tokenIssuerEndpoints({ ...deps, access }),
  };
}
