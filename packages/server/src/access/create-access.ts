import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import type { Database } from "../storage/database/database.ts";
import type { Access, Decision, ReadableRepositories, RepositoryAction } from "./access.ts";
import type { Actor } from "./actor.ts";
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
    if (deps.anonymousAccess === "full") return actionsOf.write;
    const known = await facts(repository);
    const fromVisibility: readonly RepositoryAction[] =
      known.isPublic && (actor.kind === "user" || deps.anonymousAccess === "pull") ? ["pull"] : [];
    if (actor.kind === "anonymous") return fromVisibility;
    if (known.ownerUserId === actor.userId) return ownerActions(known);
    if (known.repositoryId === undefined) return fromVisibility;
    const { repositoryId } = known;
    const { role } = await deps.cache.get(`grant ${actor.userId} ${repositoryId}`, async () => ({
      role: await findGrantedRole(deps.database.read, actor.userId, repositoryId),
    }));
    return role === undefined ? fromVisibility : actionsOf[role];
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
      const all = (actor.kind === "user" && actor.isAdmin) || deps.anonymousAccess === "full";
      if (all && actor.credentialScopes === undefined) return { kind: "all" };
      const publicOnes = actor.kind === "user" || deps.anonymousAccess !== "none";
      if (actor.kind === "anonymous")
        return { kind: "some", publicOnes, repositoryIds: [], namespaceIds: [] };
      // A scoped access token lists nothing private: what it may pull it knows by name.
      if (actor.credentialScopes !== undefined) {
        return { kind: "some", publicOnes: false, repositoryIds: [], namespaceIds: [] };
      }
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
