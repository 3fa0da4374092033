import { pruneExpiredGrants } from "../access/grant-store.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Tx } from "../storage/database/database.ts";
import { defaultGrantEndpoints } from "./grants/default-grant-routes.ts";
import { grantEndpoints } from "./grants/grant-routes.ts";
import { namespaceGrantEndpoints } from "./grants/namespace-grant-routes.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { invitationEndpoints } from "./invitations/invitation-routes.ts";
import { pruneInvitations } from "./invitations/invitation-store.ts";
import { organizationEndpoints } from "./organizations/organization-routes.ts";
import { robotEndpoints } from "./robots/robot-routes.ts";
import { teamEndpoints } from "./teams/team-routes.ts";

/** Whose namespaces are, who works in them, and what is granted there. */
export function namespaceEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...organizationEndpoints(deps),
    ...teamEndpoints(deps),
    ...invitationEndpoints(deps),
    ...robotEndpoints(deps),
    ...grantEndpoints(deps),
    ...namespaceGrantEndpoints(deps),
    ...defaultGrantEndpoints(deps),
  ];
}

/** Drops up to `limit` of each kind of thing that has run out; may be repeated. */
export async function pruneNamespaces(tx: Tx, nowMs: number, limit: number): Promise<void> {
  await pruneExpiredGrants(tx, nowMs, limit);
  // A week longer, so that whoever invited sees that nobody came.
  await pruneInvitations(tx, nowMs - 7 * 86_400_000, limit);
}
