import type { ReadableRepositories } from "../../access/access.ts";
import type { Actor } from "../../access/actor.ts";
import { isEmptyListing } from "../../access/is-empty-listing.ts";
import type { Page } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { listRepositories, type RepositoryRow } from "./repository-store.ts";

/** One page of the repositories that the actor may pull, by name in byte order, and whether more follow. */
export async function listCatalog(
  deps: RegistryDeps,
  actor: Actor,
  page: Page,
): Promise<{ readonly repositories: readonly RepositoryRow[]; readonly hasMore: boolean }> {
  if (page.limit === 0) return { repositories: [], hasMore: false };
  const readable = await deps.access.readableRepositories(actor);
  if (isEmptyListing(readable)) return { repositories: [], hasMore: false };
  const rows = await readRows(deps, readable, { last: page.last, limit: page.limit + 1 });
  return { repositories: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** Reads on until there are `limit` rows that are admitted, or no more candidates. */
async function readRows(
  deps: RegistryDeps,
  readable: ReadableRepositories,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly RepositoryRow[]> {
  const admitted: RepositoryRow[] = [];
  let { last } = page;
  for (;;) {
    const part = { last, limit: page.limit };
    const rows = await deps.database.readAside((db) => listRepositories(db, readable, part));
    if (readable.kind === "all") return rows;
    const answers = await readable.admits(rows);
    admitted.push(...rows.filter((_, index) => answers[index] === true));
    if (admitted.length >= page.limit || rows.length < page.limit) return admitted.slice(0, page.limit);
    last = rows.at(-1)?.name;
  }
}
