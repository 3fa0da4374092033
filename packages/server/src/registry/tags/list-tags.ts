import type { RepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId } from "../repositories/repository-store.ts";
import { listTagNames } from "./tag-store.ts";

/** One page of tags in byte order and whether more follow. `NAME_UNKNOWN` when there is no such repository. */
export async function listTags(
  deps: RegistryDeps,
  repository: RepositoryName,
  page: Page,
): Promise<{ readonly tags: readonly string[]; readonly hasMore: boolean }> {
  const repositoryId = await findRepositoryId(deps.database.read, repository);
  if (repositoryId === undefined) {
    throw new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
  }
  if (page.limit === 0) return { tags: [], hasMore: false };
  const names = await listTagNames(deps.database.read, repositoryId, {
    last: page.last,
    limit: page.limit + 1,
  });
  return { tags: names.slice(0, page.limit), hasMore: names.length > page.limit };
}
