import { repositoryActions } from "./actions.ts";
import type { Actor } from "./actor.ts";
import { carries } from "./credential-scope.ts";
import type { Asker } from "./permit.ts";

/** An issuer makes credentials and can do nothing else, whatever somebody wrote into its row. */
export function isRegistryAdmin(actor: Actor): boolean {
  return actor.kind === "user" && actor.isAdmin && actor.account !== "issuer";
}

export function isRegistryAuditor(actor: Actor): boolean {
  return actor.kind === "user" && actor.isAuditor && actor.account !== "issuer";
}

export function askerOf(actor: Actor, repository?: string): Asker {
  if (actor.kind === "user") {
    const asker = { account: actor.account, isAdmin: isRegistryAdmin(actor) };
    if (actor.isGivenByIssuer !== true || repository === undefined) return asker;
    const given = repositoryActions.filter((action) => carries(actor.credentialScopes, action, repository));
    return { ...asker, given };
  }
  // Somebody from outside is nobody of the house: public repositories are theirs as everybody's.
  return { account: actor.kind === "external" ? "issued" : "anonymous", isAdmin: false };
}

/** Whether an authority outside has said what they may, in the token itself: then its scopes are their rights. */
export function isVouchedFor(actor: Actor): boolean {
  return actor.kind === "external" && actor.credentialScopes !== undefined;
}
