import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import type { Database } from "../../storage/database/database.ts";
import type { Decision, DecisionDelegate } from "../access.ts";
import type { NamespaceAction, RepositoryAction } from "../actions.ts";
import type { Actor } from "../actor.ts";
import type { CredentialScope } from "../credential-scope.ts";
import { nowMs } from "./access-world.ts";

/*
 * The rules once more, in the plainest form: every table is read whole, every row is looked at, patterns are regular expressions. No cache, no index, no short
 * cut. Shares nothing with what it is compared to but the types.
 */

export type Mode = "none" | "pull" | "full";
type Tables = Awaited<ReturnType<typeof readTables>>;

export async function readTables({ read }: Database) {
  return {
    users: await read.selectFrom("users").selectAll().orderBy("username").execute(),
    namespaces: await read.selectFrom("namespaces").selectAll().execute(),
    repositories: await read.selectFrom("repositories").selectAll().execute(),
    grants: await read.selectFrom("grants").selectAll().execute(),
    teams: await read.selectFrom("teams").selectAll().execute(),
    members: await read.selectFrom("team_members").selectAll().execute(),
    repositoryAliases: await read.selectFrom("repository_aliases").selectAll().execute(),
    namespaceAliases: await read.selectFrom("namespace_aliases").selectAll().execute(),
  };
}

export interface NaiveAccess {
  readonly tables: Tables;
  /** Whether the actor's own rights and credential allow it, by the name that a repository has. */
  may(actor: Actor, action: RepositoryAction, name: string): boolean;
  locate(
    actor: Actor,
    action: RepositoryAction,
    name: RepositoryName,
  ): { readonly decision: Decision; readonly name: string };
  permitted(actor: Actor, action: RepositoryAction, name: RepositoryName): boolean;
  onNamespace(actor: Actor, action: NamespaceAction, name: string): Decision;
}

const anyTime = Number.MAX_SAFE_INTEGER;

/** Whom the paths in `delegated` are handed over to; what that one permits follows from the words alone. */
export function outsidePermits(actor: Actor, action: RepositoryAction, name: string): boolean {
  const who = actor.kind === "external" ? actor.principal : actor.kind;
  return (who.length + action.length + name.length) % 2 === 0;
}

export function delegateOf(delegated: readonly RepositoryPattern[]): DecisionDelegate {
  return {
    authorityOf: async (name) =>
      delegated.some((pattern) => isMatch(pattern, name)) ? "somebody outside" : undefined,
    delegatedPatterns: async () => delegated,
    permitted: async (_authority, actor, actions, repositories) =>
      repositories.map((name) => actions.filter((action) => outsidePermits(actor, action, name))),
    mayCreate: async (_authority, actor, name) => outsidePermits(actor, "push", name),
  };
}

export function isMatch(pattern: string, name: string): boolean {
  const expression = pattern
    .split("/")
    .map((component) =>
      component === "**" ? ".+" : component.replaceAll(".", "\\.").replaceAll("*", "[^/]*"),
    )
    .join("/");
  return new RegExp(`^${expression}$`).test(name);
}

export function createNaiveAccess(
  tables: Tables,
  mode: Mode,
  delegated: readonly RepositoryPattern[],
): NaiveAccess {
  function own(actor: Actor, action: RepositoryAction, name: string): boolean {
    const repository = tables.repositories.find((row) => row.name === name);
    const namespaceName = name.includes("/") ? name.slice(0, name.indexOf("/")) : "library";
    const namespace = tables.namespaces.find((row) => row.name === namespaceName);
    if (repository?.state === "hidden" && action !== "admin") return false;
    if (repository?.state === "frozen" && (action === "push" || action === "delete")) return false;
    const isIssuer = actor.kind === "user" && actor.account === "issuer";
    if (actor.kind === "user" && actor.isAdmin && !isIssuer) return true;
    if (delegated.some((pattern) => isMatch(pattern, name))) {
      if (repository !== undefined) return outsidePermits(actor, action, name);
      if (outsidePermits(actor, "push", name)) return action === "pull" || action === "push";
      return action !== "push" && outsidePermits(actor, action, name);
    }
    // What somebody trusted outside has said they may is in the scopes.
    if (actor.kind === "external" && actor.credentialScopes !== undefined) {
      return repository !== undefined || action !== "push" || namespace?.create_on_push === 1;
    }
    if (mode === "full" && action !== "admin") return true;
    if (action === "pull" && repository?.visibility === "public") {
      if (mode === "pull" || (actor.kind !== "anonymous" && !isIssuer)) return true;
    }
    if (actor.kind !== "user" || isIssuer) return false;
    if (action === "pull" && repository?.visibility === "internal") {
      if (actor.account === "person" || actor.account === "robot") return true;
    }
    if (repository === undefined && action === "push" && namespace?.create_on_push !== 1) return false;
    if (namespace !== undefined && namespace.owner_user_id === actor.userId) return true;
    const isMember = (teamId: number) =>
      tables.members.some((row) => row.team_id === teamId && row.user_id === actor.userId);
    for (const team of tables.teams) {
      if (team.namespace_id !== namespace?.id || !isMember(team.id)) continue;
      if (team.role === "admin") return true;
      if (team.role === "creator" && repository === undefined && (action === "push" || action === "pull")) {
        return true;
      }
    }
    for (const grant of tables.grants) {
      if ((grant.expires_at_ms ?? anyTime) <= nowMs) continue;
      if (grant.user_id !== actor.userId && !(grant.team_id !== null && isMember(grant.team_id))) continue;
      const isHere =
        grant.pattern === null
          ? repository !== undefined && grant.repository_id === repository.id
          : isMatch(grant.pattern, name);
      if (isHere && (given[grant.role] ?? "").split(" ").includes(action)) return true;
    }
    return false;
  }

  /** The name that an old one leads to. */
  function present(name: string): string | undefined {
    if (tables.repositories.some((row) => row.name === name)) return name;
    const alias = tables.repositoryAliases.find((row) => row.name === name);
    if (alias !== undefined) return tables.repositories.find(({ id }) => id === alias.repository_id)?.name;
    const [first = "", ...rest] = name.split("/");
    const former = tables.namespaceAliases.find((row) => row.name === first);
    const namespace = tables.namespaces.find(({ id }) => id === former?.namespace_id);
    if (namespace === undefined || rest.length === 0) return undefined;
    return present([namespace.name, ...rest].join("/"));
  }

  const may = (actor: Actor, action: RepositoryAction, name: string) =>
    own(actor, action, name) && isCarried(actor.credentialScopes, action, name);

  function followed(actor: Actor, name: string): string | undefined {
    const target = present(name);
    if (target === undefined || target === name || !own(actor, "pull", target)) return undefined;
    const scopes = actor.credentialScopes;
    return isCarried(scopes, "pull", name) || isCarried(scopes, "pull", target) ? target : undefined;
  }

  return {
    tables,
    may,
    permitted: (actor, action, name) =>
      followed(actor, name) === undefined ? may(actor, action, name) : action === "pull",
    locate(actor, action, asked) {
      const target = followed(actor, asked);
      const isPermitted = target === undefined ? may(actor, action, asked) : action === "pull";
      const name = target ?? asked;
      const isWithin = isNamed(actor.limits, action, asked) || isNamed(actor.limits, action, name);
      if (isPermitted && isWithin) return { decision: "allowed", name };
      if (actor.kind === "anonymous") return { decision: "unauthenticated", name };
      const isVouchedFor = actor.kind === "external" && actor.credentialScopes !== undefined;
      return { decision: isPermitted || isVouchedFor ? "insufficient-scope" : "denied", name };
    },
    onNamespace(actor, action, name) {
      if (actor.kind === "anonymous") return "unauthenticated";
      if (actor.kind === "external" || actor.account === "issuer") return "denied";
      if (actor.limits !== undefined || actor.credentialScopes !== undefined) return "denied";
      if (actor.isAdmin) return "allowed";
      const namespace = tables.namespaces.find((row) => row.name === name);
      if (namespace === undefined) return "denied";
      if (namespace.owner_user_id === actor.userId) return "allowed";
      if (action === "view" && actor.isAuditor) return "allowed";
      const ranks = { member: ["view"], creator: ["view", "create"], admin: ["view", "create", "admin"] };
      const roles = tables.teams
        .filter((team) => team.namespace_id === namespace.id)
        .filter((team) =>
          tables.members.some((row) => row.team_id === team.id && row.user_id === actor.userId),
        )
        .map(({ role }) => role);
      const isRanked = Object.entries(ranks).some(
        ([role, actions]) => roles.includes(role) && actions.includes(action),
      );
      return isRanked ? "allowed" : "denied";
    },
  };
}

const given: Readonly<Record<string, string>> = {
  read: "pull",
  write: "pull push delete",
  admin: "pull push delete admin",
};

function isCarried(
  scopes: readonly CredentialScope[] | undefined,
  action: RepositoryAction,
  name: string,
): boolean {
  if (scopes === undefined) return true;
  return scopes.some((scope) => scope.actions.includes(action) && isMatch(scope.repositories, name));
}

function isNamed(limits: readonly Scope[] | undefined, action: string, name: string): boolean {
  if (limits === undefined) return true;
  for (const { type, name: named, actions } of limits) {
    if (type === "repository" && named === name && (actions.includes("*") || actions.includes(action))) {
      return true;
    }
  }
  return false;
}
