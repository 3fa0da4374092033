import type { RepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId } from "../repositories/repository-store.ts";
import { listTagNames } from "./tag-store.ts";

/** One page of tags in byte order, only those that are admitted, and whether more follow. `NAME_UNKNOWN` when there is no such repository. */
export async function listTags(
  deps: RegistryDeps,
  repository: RepositoryName,
  page: Page,
  admits?: (tag: string) => boolean,
): Promise<{ readonly tags: readonly string[]; readonly hasMore: boolean }> {
  const repositoryId = await findRepositoryId(deps.database.read, repository);
  if (repositoryId === undefined) {
    throw new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
  }
  if (page.limit === 0) return { tags: [], hasMore: false };
  const enough = page.limit + 1;
  const names: string[] = [];
  for (let last = page.last; ; ) {
    const batch = await listTagNames(deps.database.read, repositoryId, { last, limit: enough });
    names.push(...(admits === undefined ? batch : batch.filter(admits)));
    if (batch.length < enough || names.length >= enough) break;
    last = batch.at(-1);
  }
  return { tags: names.slice(0, page.limit), hasMore: names.length > page.limit };
}
