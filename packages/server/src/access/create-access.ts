import { type RepositoryName, tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import { AppError } from "../lib/app-error.ts";
import type { Database } from "../storage/database/database.ts";
import type { Access, Decision, ReadableRepositories, RepositoryAction } from "./access.ts";
import type { Actor, UserActor } from "./actor.ts";
import {
  findGrantedRole,
  findRepositoryFacts,
  listReadable,
  type RepositoryFacts,
  type Role,
} from "./grant-store.ts";
import type { VersionedCache } from "./versioned-cache.ts";

export interface AccessDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  /** What nobody in particular may do. */
  readonly anonymousAccess: "none" | "pull" | "full";
  /** Owns repositories whose name has a single component. */
  readonly defaultNamespace: string;
}

/** What a role carries. Writers may delete what they may overwrite; only administrators of a repository change its settings. */
const actionsOf: Readonly<Record<Role, readonly RepositoryAction[]>> = {
  read: ["pull"],
  write: ["pull", "push", "delete"],
  admin: ["pull", "push", "delete", "admin"],
};

export function createAccess(deps: AccessDeps): Access {
  const facts = (repository: RepositoryName) =>
    deps.cache.get(`repository ${repository}`, () =>
      findRepositoryFacts(deps.database.read, repository, namespaceOf(repository, deps.defaultNamespace)),
    );

  /** What the actor's own rights allow, whatever token was shown. */
  async function rights(actor: Actor, repository: RepositoryName): Promise<readonly RepositoryAction[]> {
    if (actor.kind === "user" && actor.isAdmin) return actionsOf.admin;
    const isFull = deps.anonymousAccess === "full";
    if (actor.kind === "anonymous" && isFull) return actionsOf.write;
    const known = await facts(repository);
    const mayReadPublic = actor.kind === "user" || deps.anonymousAccess === "pull";
    const ofEverybody: readonly RepositoryAction[] = isFull
      ? actionsOf.write
      : known.isPublic && mayReadPublic
        ? ["pull"]
        : [];
    // An account never takes away what its holder could do without it.
    return actor.kind === "anonymous" ? ofEverybody : union(ofEverybody, await ownRights(actor, known));
  }

  async function ownRights(actor: UserActor, known: RepositoryFacts): Promise<readonly RepositoryAction[]> {
    if (known.ownerUserId === actor.userId) return ownerActions(known);
    if (known.repositoryId === undefined) return [];
    const { repositoryId } = known;
    const { role } = await deps.cache.get(`grant ${actor.userId} ${repositoryId}`, async () => ({
      role: await findGrantedRole(deps.database.read, actor.userId, repositoryId),
    }));
    return role === undefined ? [] : actionsOf[role];
  }

  /** Of the repositories that the scopes name, those that are there and may be pulled. A credential has a bounded number of scopes. */
  async function namedRepositories(actor: UserActor, scopes: readonly Scope[]): Promise<readonly number[]> {
    const ids = await Promise.all(
      scopes.map(async ({ type, name }) => {
        const repository = type === "repository" ? tryParseRepositoryName(name) : undefined;
        if (repository === undefined || !isWithin(scopes, repository, "pull")) return undefined;
        if (!(await rights(actor, repository)).includes("pull")) return undefined;
        return (await facts(repository)).repositoryId;
      }),
    );
    return ids.filter((id) => id !== undefined);
  }

  return {
    async decide(actor, action, repository): Promise<Decision> {
      const mayDo =
        (await rights(actor, repository)).includes(action) &&
        isWithin(actor.credentialScopes, repository, action);
      if (mayDo && isWithin(actor.limits, repository, action)) return "allowed";
      if (actor.kind === "anonymous") return "unauthenticated";
      return mayDo ? "insufficient-scope" : "denied";
    },
    async permittedActions(actor, actions, repository) {
      const allowed = await rights(actor, repository);
      return actions.filter(
        (action) => allowed.includes(action) && isWithin(actor.credentialScopes, repository, action),
      );
    },
    async readableRepositories(actor): Promise<ReadableRepositories> {
      if (actor.limits !== undefined && !carriesCatalog(actor.limits)) {
        throw new AppError("UNAUTHORIZED", "the token does not carry registry:catalog:*", {
          detail: [{ Type: "registry", Name: "catalog", Action: "*" }],
        });
      }
      // A scoped access token lists what it names, public or not.
      if (actor.credentialScopes !== undefined) {
        const repositoryIds = await namedRepositories(actor, actor.credentialScopes);
        return { kind: "some", publicOnes: false, repositoryIds, namespaceIds: [] };
      }
      if ((actor.kind === "user" && actor.isAdmin) || deps.anonymousAccess === "full") return { kind: "all" };
      const publicOnes = actor.kind === "user" || deps.anonymousAccess === "pull";
      if (actor.kind === "anonymous")
        return { kind: "some", publicOnes, repositoryIds: [], namespaceIds: [] };
      const own = await deps.cache.get(`readable ${actor.userId}`, () =>
        listReadable(deps.database.read, actor.userId),
      );
      return { kind: "some", publicOnes, ...own };
    },
    isAdministrator: (actor) =>
      actor.kind === "user" &&
      actor.isAdmin &&
      actor.limits === undefined &&
      actor.credentialScopes === undefined,
    changed: () => deps.cache.changed(),
  };
}

/** Owners do everything in their namespace; creating by push only where the namespace has it so. */
function ownerActions(known: RepositoryFacts): readonly RepositoryAction[] {
  if (known.repositoryId !== undefined || known.createOnPush) return actionsOf.admin;
  return actionsOf.admin.filter((action) => action !== "push");
}

/** In the order in which the actions are declared. */
function union(
  left: readonly RepositoryAction[],
  right: readonly RepositoryAction[],
): readonly RepositoryAction[] {
  return actionsOf.admin.filter((action) => left.includes(action) || right.includes(action));
}

/** The scope that the challenge of a listing asks for. */
function carriesCatalog(limits: readonly Scope[]): boolean {
  return limits.some(
    ({ type, name, actions }) => type === "registry" && name === "catalog" && actions.includes("*"),
  );
}

/** Names are compared as a whole, without patterns; undefined limits are none. */
function isWithin(
  limits: readonly Scope[] | undefined,
  repository: string,
  action: RepositoryAction,
): boolean {
  if (limits === undefined) return true;
  return limits.some(
    (scope) =>
      scope.type === "repository" &&
      scope.name === repository &&
      (scope.actions.includes(action) || scope.actions.includes("*")),
  );
}

/** Single-component names lie in the default namespace; else the first component is the namespace. */
export function namespaceOf(name: RepositoryName, defaultNamespace: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? defaultNamespace : name.slice(0, slash);
}
