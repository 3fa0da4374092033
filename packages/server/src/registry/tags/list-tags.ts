import type { RepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { Queryable } from "../../storage/database/database.ts";
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
  const enough = page.limit + 1;
  const names = await deps.database.readAside((db) => readNames(db, repository, { ...page, enough }, admits));
  if (names === undefined) throw new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
  return { tags: names.slice(0, page.limit), hasMore: page.limit > 0 && names.length > page.limit };
}

/** Reads on until there are enough that are admitted, or no more. Undefined when there is no such repository. */
async function readNames(
  db: Queryable,
  repository: RepositoryName,
  page: Page & { readonly enough: number },
  admits: ((tag: string) => boolean) | undefined,
): Promise<readonly string[] | undefined> {
  const repositoryId = await findRepositoryId(db, repository);
  if (repositoryId === undefined) return undefined;
  if (page.limit === 0) return [];
  const names: string[] = [];
  for (let { last } = page; ; ) {
    const batch = await listTagNames(db, repositoryId, { last, limit: page.enough });
    names.push(...(admits === undefined ? batch : batch.filter(admits)));
    if (batch.length < page.enough || names.length >= page.enough) return names;
    last = batch.at(-1);
  }
}
