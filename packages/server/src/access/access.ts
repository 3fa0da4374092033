import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { NamespaceAction, RepositoryAction, Visibility } from "./actions.ts";
import type { Actor } from "./actor.ts";

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
   * Whether the actor may do `action` to the namespace. With a limited credential nobody may. A namespace that is not there and one that the
   * actor must not know of are both `denied`.
   */
  decideOnNamespace(actor: Actor, action: NamespaceAction, namespace: string): Promise<Decision>;
  /**
   * What the actor may pull, for listings. `UNAUTHORIZED` when `limits` do not carry `registry:catalog:*`: a fresh token helps
   * (→ challenge).
   */
  readableRepositories(actor: Actor): Promise<ReadableRepositories>;
  /** Whether the actor is an administrator and the credential shown is not limited. */
  isAdministrator(actor: Actor): boolean;
  /** Whether the actor may read every setting: an auditor or administrator whose credential is not limited. */
  isAuditor(actor: Actor): boolean;
  /** To be called after the commit of every change of users, tokens, grants, visibility or repositories in this process. */
  changed(): void;
}

/** Everything, or what a listing has to look at: a superset by conditions that a query can tell, and who of them is really in it. */
export type ReadableRepositories =
  | { readonly kind: "all" }
  | {
      readonly kind: "some";
      readonly candidates: RepositoryCandidates;
      /** In the order of `rows`. */
      admits(rows: readonly ListedRepository[]): Promise<readonly boolean[]>;
    };

/** A repository is a candidate when one of these holds, and it is not hidden. */
export interface RepositoryCandidates {
  readonly visibilities: readonly Visibility[];
  readonly repositoryIds: readonly number[];
  readonly namespaceIds: readonly number[];
  /** Names at or below a path; "" = every name. */
  readonly paths: readonly string[];
}

/** What `admits` looks at. */
export interface ListedRepository {
  readonly id: number;
  readonly name: string;
  readonly namespaceId: number;
  readonly visibility: Visibility;
}

/**
 * Decides for namespaces that are handed over to somebody outside. Passed in at start-up: the area that talks to decision points is above
 * this one.
 */
export interface DecisionDelegate {
  /** The authority that decides for the repository; undefined = our own grants do. */
  authorityOf(repository: string): Promise<string | undefined>;
  /** Every path whose content somebody outside decides about. */
  delegatedPatterns(): Promise<readonly RepositoryPattern[]>;
  /**
   * The actions that the authority permits, of those asked for, in the order of `repositories`. Fails closed: nothing when it does not answer.
   * `actor` is anonymous, or one of the authority's own.
   */
  permitted(
    authority: string,
    actor: Actor,
    actions: readonly RepositoryAction[],
    repositories: readonly string[],
  ): Promise<readonly (readonly RepositoryAction[])[]>;
}
