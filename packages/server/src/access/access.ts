import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { MaybePromise } from "../lib/maybe-promise.ts";
import type { NamespaceAction, RepositoryAction, RepositoryState, Visibility } from "./actions.ts";
import type { Actor } from "./actor.ts";
import type { Right } from "./permit.ts";

/**
 * `allowed`, or why not:
 * - `unauthenticated`: nobody is signed in and signing in might help (→ challenge);
 * - `insufficient-scope`: the actor may, but the token presented does not carry it: a fresh token helps (→ challenge);
 * - `denied`: a fresh token would not help. The same answer whether the repository exists or not.
 */
export type Decision = "allowed" | "unauthenticated" | "insufficient-scope" | "denied";

/** A decision, and the repository that it is about. */
export interface Located {
  readonly decision: Decision;
  /** The name asked for, or the present one of the repository that had it before. */
  readonly name: RepositoryName;
}

/** The one decision function. Everything that asks "may they?" asks here. */
export interface Access {
  /**
   * As `decide`, for addresses: a name that no repository has now, but one had that the actor may pull, leads to that one, under its present
   * name. It can be pulled by its old name, and that is all: everything else is `denied`. To everybody else it is a name that nobody has.
   */
  locate(actor: Actor, action: RepositoryAction, repository: RepositoryName): MaybePromise<Located>;
  /** Whether the actor may do `action` to the repository of that name, existing or, for 'push', to be created by the push; by old names as `locate`. */
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
  /** What an actor has on a repository and where it comes from, whatever credential they show. */
  explain(actor: Actor, repository: RepositoryName): Promise<Explanation>;
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

/** Why somebody may or may not. */
export interface Explanation {
  readonly exists: boolean;
  readonly visibility: Visibility;
  readonly state: RepositoryState;
  /** Whether a push creates repositories in the namespace. */
  readonly createOnPush: boolean;
  /** Somebody outside decides instead of what is in `rights`; administrators of the registry excepted. */
  readonly authority: string | undefined;
  /** What each thing gives by itself, whatever the state. */
  readonly rights: readonly Right[];
  /** Grants that have ended. */
  readonly expiredGrantIds: readonly number[];
  /** What is left of it all. */
  readonly allowed: readonly RepositoryAction[];
}

/** Everything that is not hidden, or what a listing has to look at: a superset by conditions that a query can tell, and who of them is really in it. */
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
  authorityOf(repository: string): MaybePromise<string | undefined>;
  /** Every path whose content somebody outside decides about. */
  delegatedPatterns(): Promise<readonly RepositoryPattern[]>;
  /**
   * The actions that the authority permits, of those asked for, in the order of `repositories`. To the authority, whoever is not one of its own is
   * nobody in particular. `UNAVAILABLE` when it does not answer: nothing is permitted then.
   */
  permitted(
    authority: string,
    actor: Actor,
    actions: readonly RepositoryAction[],
    repositories: readonly string[],
  ): Promise<readonly (readonly RepositoryAction[])[]>;
  /** Whether the actor may create the repository, and its namespace where that is missing, by a push. `UNAVAILABLE` as above. */
  mayCreate(authority: string, actor: Actor, repository: string): Promise<boolean>;
}
