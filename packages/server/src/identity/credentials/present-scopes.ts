import { isWildcard, parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { Access } from "../../access/access.ts";
import type { Actor } from "../../access/actor.ts";
import type { CredentialScope } from "../../access/credential-scope.ts";
import { findRenamedNamespace, findRenamedRepository } from "../../access/namespace-alias-store.ts";
import type { Queryable } from "../../storage/database/database.ts";

/**
 * Scopes that name whole a repository by a name that it had before name it by its present one, as far as the actor may pull it; nobody learns of what
 * they may not see. Scopes by pattern name a place and stay.
 */
export async function presentScopes(
  access: Access,
  actor: Actor,
  scopes: readonly CredentialScope[],
): Promise<readonly CredentialScope[]> {
  return Promise.all(
    scopes.map(async (scope) => {
      const repository = isWildcard(scope.repositories)
        ? undefined
        : tryParseRepositoryName(scope.repositories);
      if (repository === undefined) return scope;
      const { name } = await access.locate(actor, "pull", repository);
      return name === repository ? scope : { ...scope, repositories: parseRepositoryPattern(name) };
    }),
  );
}

/**
 * As `presentScopes`, for who sees nothing: whatever had the name. Also what lies in a namespace that was renamed, patterns included. The caller refuses
 * what is not theirs to give, in the same words wherever it leads.
 */
export async function presentScopesAnywhere(
  db: Queryable,
  scopes: readonly CredentialScope[],
): Promise<readonly CredentialScope[]> {
  const present: CredentialScope[] = [];
  for (const scope of scopes) {
    const [first = "", ...rest] = scope.repositories.split("/");
    const namespace =
      first.includes("*") || rest.length === 0 ? undefined : await findRenamedNamespace(db, first);
    const moved = namespace === undefined ? scope.repositories : [namespace, ...rest].join("/");
    const name = moved.includes("*") ? undefined : await findRenamedRepository(db, moved);
    present.push({ ...scope, repositories: parseRepositoryPattern(name ?? moved) });
  }
  return present;
}
