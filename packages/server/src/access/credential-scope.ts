import {
  containsPattern,
  containsTagPattern,
  isWildcard,
  matchesRepository,
  matchesTag,
  parseRepositoryPattern,
  parseTagPattern,
  type RepositoryPattern,
  type TagPattern,
} from "@entrepot/oci/path-pattern";
import type { RepositoryAction } from "./actions.ts";

/** What a credential was limited to by its maker: actions on the repositories of a pattern, on tags of a pattern if one is given. */
export interface CredentialScope {
  readonly repositories: RepositoryPattern;
  /** Undefined = every tag, and content by digest. */
  readonly tags: TagPattern | undefined;
  readonly actions: readonly RepositoryAction[];
}

/** The scopes as they lie in a row and travel in JSON. */
export interface CredentialScopeJson {
  readonly repositories: string;
  readonly tags?: string | undefined;
  readonly actions: readonly RepositoryAction[];
}

/** `NAME_INVALID` for a pattern that is none. Actions were checked by the schema, or by whoever wrote the row. */
export function toCredentialScope(scope: CredentialScopeJson): CredentialScope {
  return {
    repositories: parseRepositoryPattern(scope.repositories),
    tags: scope.tags === undefined ? undefined : parseTagPattern(scope.tags),
    actions: [...new Set(scope.actions)],
  };
}

export function toScopeJson(scope: CredentialScope): CredentialScopeJson {
  const { repositories, tags, actions } = scope;
  return tags === undefined ? { repositories, actions } : { repositories, tags, actions };
}

/** Whether the scopes carry the action on the repository, for one tag at least. Undefined scopes are no limit. */
export function carries(
  scopes: readonly CredentialScope[] | undefined,
  action: RepositoryAction,
  repository: string,
): boolean {
  if (scopes === undefined) return true;
  return scopes.some(
    (scope) => scope.actions.includes(action) && matchesRepository(scope.repositories, repository),
  );
}

/**
 * What the scopes say of tags for an action that they carry: undefined = nothing, every tag and digest will do; else a tag must match one of the
 * patterns.
 */
export function tagLimits(
  scopes: readonly CredentialScope[] | undefined,
  action: RepositoryAction,
  repository: string,
): readonly TagPattern[] | undefined {
  if (scopes === undefined) return undefined;
  const carrying = scopes.filter(
    (scope) => scope.actions.includes(action) && matchesRepository(scope.repositories, repository),
  );
  const patterns = carrying.map((scope) => scope.tags);
  return patterns.includes(undefined) ? undefined : patterns.filter((pattern) => pattern !== undefined);
}

export function matchesAnyTag(patterns: readonly TagPattern[], tag: string): boolean {
  return patterns.some((pattern) => matchesTag(pattern, tag));
}

/** Whether everything that `inner` carries is carried by one of `outer`. Never true when it is not so. */
export function areWithin(outer: readonly CredentialScope[], inner: readonly CredentialScope[]): boolean {
  return inner.every((scope) =>
    scope.actions.every((action) =>
      outer.some(
        (box) =>
          box.actions.includes(action) &&
          containsPattern(box.repositories, scope.repositories) &&
          containsTagPattern(box.tags, scope.tags),
      ),
    ),
  );
}

/** The repositories that scopes name whole, and whether they name others by pattern. */
export function namedRepositories(scopes: readonly CredentialScope[]): {
  readonly names: readonly string[];
  readonly patterns: readonly RepositoryPattern[];
} {
  const all = scopes.filter((scope) => scope.actions.includes("pull")).map((scope) => scope.repositories);
  return { names: all.filter((one) => !isWildcard(one)), patterns: all.filter(isWildcard) };
}
