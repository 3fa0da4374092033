import type { Actor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { listHiddenRepositories, type RepositoryRow } from "./repository-store.ts";

/** One page of the repositories that nobody can see, by name, and whether more follow. `DENIED` but for administrators and auditors. */
export async function listHidden(
  deps: RegistryDeps,
  actor: Actor,
  page: Page,
): Promise<{ readonly repositories: readonly RepositoryRow[]; readonly hasMore: boolean }> {
  if (!deps.access.isAuditor(actor)) {
    throw new AppError("DENIED", "only administrators and auditors list hidden repositories");
  }
  if (page.limit === 0) return { repositories: [], hasMore: false };
  const rows = await deps.database.readAside((db) =>
    listHiddenRepositories(db, { last: page.last, limit: page.limit + 1 }),
  );
  return { repositories: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}
