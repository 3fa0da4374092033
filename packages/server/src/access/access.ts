import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Actor } from "./actor.ts";

/** What can be done to a repository. 'pull' reads; 'push' adds and moves tags; 'delete' removes; 'admin' changes settings and grants. */
export const repositoryActions = ["pull", "push", "delete", "admin"] as const;
export type RepositoryAction = (typeof repositoryActions)[number];

/**
 * `allowed`, or why not:
 * - `unauthenticated`: nobody is signed in and signing in might help (→ challenge);
 * - `insufficient-scope`: the actor may, but the token presented does not carry it: a fresh token helps (→ challenge);
 * - `denied`: a fresh token would not help. The same answer whether the repository exists or not.
 */
export type Decision = "allowed" | "unauthenticated" | "insufficient-scope" | "denied";

/** The one decision function. Everything that asks "may they?" asks here. */
export interface Access {
  /** Whether the actor may do `action` to the repository of that name, existing or, for 'push', to be created by the push. */
  decide(actor: Actor, action: RepositoryAction, repository: RepositoryName): Promise<Decision>;
  /** The part of `actions` that `decide` would allow, ignoring the actor's `limits`: what a token may carry. */
  permittedActions(
    actor: Actor,
    actions: readonly RepositoryAction[],
    repository: RepositoryName,
  ): Promise<readonly RepositoryAction[]>;
  /**
   * What the actor may pull, as a condition for listings: everything, or public repositories and the given ids and
   * namespaces they own. A scoped access token lists the repositories that its scopes name. `UNAUTHORIZED` when `limits` do not
   * carry `registry:catalog:*`: a fresh token helps (→ challenge).
   */
  readableRepositories(actor: Actor): Promise<ReadableRepositories>;
  /** Whether the actor is an administrator and the credential shown is not limited. */
  isAdministrator(actor: Actor): boolean;
  /** To be called after the commit of every change of users, tokens, grants, visibility or repositories in this process. */
  changed(): void;
}

export type ReadableRepositories =
  | { readonly kind: "all" }
  | {
      readonly kind: "some";
      readonly publicOnes: boolean;
      readonly repositoryIds: readonly number[];
      readonly namespaceIds: readonly number[];
    };
