import type { RepositoryAction, RepositoryState } from "./actions.ts";
import type { AccountKind } from "./actor.ts";
import type { RightsFacts } from "./rights-store.ts";
import { actionsOf } from "./roles.ts";

/** Who asks, as far as rights depend on it. */
export interface Asker {
  readonly account: AccountKind | "anonymous";
  readonly isAdmin: boolean;
  /** What the issuer of the account has given it here. */
  readonly given?: readonly RepositoryAction[];
}

/** Where rights come from, most direct first; "why can X do Y?" is answered in these words. */
export type Reason =
  | { readonly by: "administrator" }
  | { readonly by: "owner" }
  | { readonly by: "team-role"; readonly role: "creator" | "admin" }
  | { readonly by: "grant"; readonly grantId: number }
  | { readonly by: "issuer" }
  | { readonly by: "visibility" }
  | { readonly by: "open-registry" };

export interface Right {
  readonly actions: readonly RepositoryAction[];
  readonly reason: Reason;
}

interface World {
  readonly anonymousAccess: "none" | "pull" | "full";
  readonly nowMs: number;
}

/** What each thing gives by itself, whatever the state of the repository. The union of it is what the asker may. */
export function rightsFrom(facts: RightsFacts, asker: Asker, world: World): readonly Right[] {
  const rights: Right[] = [];
  if (asker.isAdmin) rights.push({ actions: actionsOf.admin, reason: { by: "administrator" } });
  // An issuer makes credentials for others; with its own it can do what anybody can.
  if (asker.account !== "issuer") rights.push(...ownRights(facts, world.nowMs));
  if (asker.given !== undefined) {
    rights.push({ actions: atPlace(facts, asker.given), reason: { by: "issuer" } });
  }
  if (facts.repositoryId !== undefined && isOpenTo(facts, asker, world.anonymousAccess)) {
    rights.push({ actions: ["pull"], reason: { by: "visibility" } });
  }
  // An account never takes away what its holder could do without it.
  if (world.anonymousAccess === "full") {
    rights.push({ actions: actionsOf.write, reason: { by: "open-registry" } });
  }
  return rights;
}

/** By ownership, teams and grants. */
function ownRights(facts: RightsFacts, nowMs: number): readonly Right[] {
  const rights: Right[] = [];
  if (facts.isOwner) {
    rights.push({ actions: atPlace(facts, actionsOf.admin), reason: { by: "owner" } });
  }
  if (facts.teamRoles.includes("admin")) {
    const reason = { by: "team-role", role: "admin" } as const;
    rights.push({ actions: atPlace(facts, actionsOf.admin), reason });
  }
  if (facts.teamRoles.includes("creator") && facts.repositoryId === undefined) {
    const reason = { by: "team-role", role: "creator" } as const;
    rights.push({ actions: atPlace(facts, ["pull", "push"]), reason });
  }
  for (const grant of facts.grants) {
    if (hasEnded(grant, nowMs)) continue;
    const reason = { by: "grant", grantId: grant.id } as const;
    rights.push({ actions: atPlace(facts, actionsOf[grant.role]), reason });
  }
  return rights;
}

export function hasEnded(grant: { readonly expiresAtMs: number | undefined }, nowMs: number): boolean {
  return grant.expiresAtMs !== undefined && grant.expiresAtMs <= nowMs;
}

/** What the state of a repository leaves of an action, whoever asks. */
export function isPossible(state: RepositoryState, action: RepositoryAction): boolean {
  if (state === "hidden") return action === "admin";
  if (state === "frozen") return action === "pull" || action === "admin";
  return true;
}

/** A repository that is not there is created by a push, where its namespace has it so. */
export function atPlace(
  facts: RightsFacts,
  actions: readonly RepositoryAction[],
): readonly RepositoryAction[] {
  if (facts.repositoryId !== undefined || facts.createOnPush) return actions;
  return actions.filter((action) => action !== "push");
}

function isOpenTo(facts: RightsFacts, asker: Asker, anonymousAccess: "none" | "pull" | "full"): boolean {
  if (facts.visibility === "public") return isSomebody(asker.account) || anonymousAccess === "pull";
  // An account that was issued to a customer is nobody of the house.
  return facts.visibility === "internal" && (asker.account === "person" || asker.account === "robot");
}

/** Who has more than anybody has. */
export function isSomebody(account: Asker["account"]): boolean {
  return account !== "anonymous" && account !== "issuer";
}
