import { matchesRepository, parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { findRepositoryPlace, type Grant, listGrantsNear } from "../../access/grant-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";

export type { Grant };

const batch = 500;

/**
 * One page of everything that is granted on a repository, to users and teams, on itself and by patterns that name it, by id; what has ended included,
 * elevations too. And whether more follow. `NAME_UNKNOWN` when there is no such repository.
 */
export async function listAccess(
  deps: IdentityDeps,
  asked: { readonly repository: RepositoryName; readonly afterId: number; readonly limit: number },
): Promise<{ readonly grants: readonly Grant[]; readonly hasMore: boolean }> {
  const { repository, limit } = asked;
  const place = await findRepositoryPlace(deps.database.read, repository);
  if (place === undefined) throw new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
  if (limit === 0) return { grants: [], hasMore: false };
  const found: Grant[] = [];
  for (let { afterId } = asked; found.length <= limit; ) {
    const near = await listGrantsNear(
      deps.database.read,
      { ...place, name: repository },
      { afterId, limit: batch },
    );
    found.push(...near.filter((grant) => names(grant, repository)));
    if (near.length < batch) break;
    afterId = near.at(-1)?.id ?? afterId;
  }
  return { grants: found.slice(0, limit), hasMore: found.length > limit };
}

function names(grant: Grant, repository: RepositoryName): boolean {
  return !grant.isPattern || matchesRepository(parseRepositoryPattern(grant.place), repository);
}
