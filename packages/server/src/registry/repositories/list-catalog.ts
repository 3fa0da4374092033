import type { Actor } from "../../access/actor.ts";
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
  const nothing =
    readable.kind === "some" &&
    !readable.publicOnes &&
    readable.repositoryIds.length === 0 &&
    readable.namespaceIds.length === 0;
  if (nothing) return { repositories: [], hasMore: false };
  const rows = await listRepositories(deps.database.read, readable, {
    last: page.last,
    limit: page.limit + 1,
  });
  return { repositories: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}
