import { intersectScopes } from "../../access/intersect-scopes.ts";
import type { IpNetwork } from "../../lib/ip-network.ts";
import type { Queryable } from "../../storage/database/database.ts";
import type { Living } from "../sign-in/living.ts";
import { findIssuerOf } from "./issuer-store.ts";

/**
 * An issued account as far as its issuer's box goes now: narrowing the box narrows everything that was issued, and with the issuer disabled or gone
 * nothing of it is good. Undefined = not at all.
 */
export async function limitByIssuer(db: Queryable, living: Living): Promise<Living | undefined> {
  const { user, accessToken } = living;
  const issuer = await findIssuerOf(db, user.id);
  if (issuer === undefined || issuer.isDisabled || accessToken === undefined) return undefined;
  const box = issuer.box;
  const scopes = box.repositories.map((repositories) => ({
    repositories,
    tags: undefined,
    actions: box.actions,
  }));
  return {
    ...living,
    accessToken: {
      ...accessToken,
      scopes: intersectScopes(accessToken.scopes ?? scopes, scopes),
      networks: bothNetworks(accessToken.networks, box.networks),
      limits: {
        ...accessToken.limits,
        maxPullsPerHour: lower(accessToken.limits.maxPullsPerHour, box.maxPullsPerHour),
      },
    },
  };
}

function lower(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

/** Networks within both. CIDR blocks are nested or apart, so the inner one of each pair is all that they have in common. */
function bothNetworks(
  one: readonly IpNetwork[] | undefined,
  other: readonly IpNetwork[] | undefined,
): readonly IpNetwork[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.flatMap((left) =>
    other.flatMap((right) => {
      if (left.addressBits !== right.addressBits) return [];
      if (left.first >= right.first && left.last <= right.last) return [left];
      return right.first >= left.first && right.last <= left.last ? [right] : [];
    }),
  );
}
