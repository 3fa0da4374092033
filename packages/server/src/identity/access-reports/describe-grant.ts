import type { Grant } from "../../access/grant-store.ts";

/** A grant in words: "the grant 7 of write on acme/app/** to the team release, until 2027-01-15T08:00:00.000Z". */
export function describeGrant(grant: Grant): string {
  const { id, role, place, team, username, expiresAtMs, isElevation } = grant;
  const to = team === undefined ? (username ?? "nobody") : `the team ${team}`;
  const until = expiresAtMs === undefined ? "" : `, until ${new Date(expiresAtMs).toISOString()}`;
  return `the ${isElevation ? "elevation" : "grant"} ${id} of ${role} on ${place} to ${to}${until}`;
}
