import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Explanation } from "../../access/access.ts";
import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";
import { type Actor, anonymous } from "../../access/actor.ts";
import { findGrants, type Grant } from "../../access/grant-store.ts";
import { isPossible, type Reason } from "../../access/permit.ts";
import { actionsOf } from "../../access/roles.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getUser, type User } from "../users/find-users.ts";
import { describeGrant } from "./describe-grant.ts";

export interface ExplainedAction {
  readonly action: RepositoryAction;
  readonly isAllowed: boolean;
  /** What gives it, state and delegation aside. */
  readonly because: readonly ExplainedReason[];
  /** Why it is not allowed, in sentences; empty when it is. */
  readonly whyNot: readonly string[];
}

export interface ExplainedReason {
  readonly by: Reason["by"] | "authority";
  readonly grant: Grant | undefined;
  readonly sentence: string;
}

/**
 * Why a user may or may not do each action to a repository, with a credential that is not limited; "anonymous" is nobody in particular.
 * `NOT_FOUND` when there is no such user.
 */
export async function explainAccess(
  deps: IdentityDeps,
  asked: { readonly repository: RepositoryName; readonly username: string },
): Promise<{
  readonly exists: boolean;
  readonly actions: readonly ExplainedAction[];
}> {
  const user = asked.username === "anonymous" ? undefined : await getUser(deps, asked.username);
  const explanation = await deps.access.explain(actorFor(user), asked.repository);
  const granted = explanation.rights.flatMap(({ reason }) => (reason.by === "grant" ? reason.grantId : []));
  const found = await findGrants(deps.database.read, [...granted, ...explanation.expiredGrantIds]);
  const grants = new Map(found.map((grant) => [grant.id, grant]));
  const cannotSignIn = user === undefined ? undefined : problemOf(user, deps.clock.nowMs());
  return {
    exists: explanation.exists,
    actions: repositoryActions.map((action) =>
      explainAction({ action, explanation, grants, cannotSignIn, isAnonymous: user === undefined }),
    ),
  };
}

interface Known {
  readonly action: RepositoryAction;
  readonly explanation: Explanation;
  readonly grants: ReadonlyMap<number, Grant>;
  readonly cannotSignIn: string | undefined;
  readonly isAnonymous: boolean;
}

function explainAction(known: Known): ExplainedAction {
  const { action, explanation, cannotSignIn } = known;
  const isAllowed = cannotSignIn === undefined && explanation.allowed.includes(action);
  const because = reasonsFor(known);
  return { action, isAllowed, because, whyNot: isAllowed ? [] : problems(known, because) };
}

function reasonsFor({ action, explanation, grants }: Known): readonly ExplainedReason[] {
  const { authority, rights, allowed } = explanation;
  if (authority !== undefined) {
    if (!allowed.includes(action)) return [];
    return [{ by: "authority", grant: undefined, sentence: `${authority} decides here, and permits it` }];
  }
  return rights
    .filter(({ actions }) => actions.includes(action))
    .map(({ reason }) => {
      const grant = reason.by === "grant" ? grants.get(reason.grantId) : undefined;
      return { by: reason.by, grant, sentence: sentenceOf(reason, grant, explanation) };
    });
}

function sentenceOf(reason: Reason, grant: Grant | undefined, explanation: Explanation): string {
  switch (reason.by) {
    case "administrator":
      return "is an administrator of the registry";
    case "owner":
      return "owns the namespace";
    case "team-role":
      return reason.role === "admin"
        ? "is in a team that administers the namespace"
        : "is in a team that may create repositories in the namespace";
    case "grant":
      return grant === undefined ? "a grant that was just taken back" : describeGrant(grant);
    case "issuer":
      return "the issuer of the account has given it this";
    case "visibility":
      return `the repository is ${explanation.visibility}`;
    case "open-registry":
      return "anybody may do this in this registry without signing in";
  }
}

function problems(
  { action, explanation, grants, cannotSignIn, isAnonymous }: Known,
  because: readonly ExplainedReason[],
): readonly string[] {
  const { state, authority, exists, createOnPush, expiredGrantIds } = explanation;
  const found: string[] = [];
  if (cannotSignIn !== undefined) found.push(cannotSignIn);
  if (!isPossible(state, action)) found.push(`the repository is ${state}`);
  if (authority !== undefined) found.push(`${authority} decides here, and does not permit it`);
  if (!exists && action === "push" && !createOnPush && because.length === 0) {
    found.push("there is no such repository, and a push creates none in the namespace");
  }
  for (const id of expiredGrantIds) {
    const grant = grants.get(id);
    if (grant !== undefined && actionsOf[grant.role].includes(action)) {
      found.push(`${describeGrant(grant)} has ended`);
    }
  }
  if (because.length === 0 && authority === undefined) {
    found.push(
      isAnonymous
        ? `nothing lets anybody ${action} without signing in`
        : `no grant, team, ownership or visibility gives ${action}`,
    );
  }
  return found;
}

function problemOf(user: User, nowMs: number): string | undefined {
  if (user.isDisabled) return "the account is disabled";
  return user.expiresAtMs !== undefined && user.expiresAtMs <= nowMs ? "the account has expired" : undefined;
}

/** The user with everything that they can have. */
function actorFor(user: User | undefined): Actor {
  if (user === undefined) return anonymous;
  const { id, username, kind, isAdmin, isAuditor } = user;
  return {
    kind: "user",
    account: kind,
    userId: id,
    username,
    isAdmin,
    isAuditor,
    credential: "password",
    accessTokenId: undefined,
    limits: undefined,
    credentialScopes: undefined,
  };
}
