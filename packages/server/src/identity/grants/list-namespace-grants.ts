import type { Actor } from "../../access/actor.ts";
import { type Grant, listCollaborators, listNamespaceGrants } from "../../access/grant-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getNamespace } from "../organizations/find-organizations.ts";

export type { Grant };

/**
 * One page of the grants of a namespace on paths, on single repositories too if wanted, and whether more follow. Those who administer it and
 * auditors see all, others what was granted to themselves and to their teams. `NOT_FOUND` when there is no such namespace.
 */
export async function listGrantPage(
  deps: IdentityDeps,
  actor: Actor,
  asked: { readonly namespace: string; readonly withRepositories: boolean; readonly page: Page },
): Promise<{ readonly grants: readonly Grant[]; readonly hasMore: boolean }> {
  const { page, withRepositories } = asked;
  if (page.last !== undefined && !/^[0-9]{1,15}$/.test(page.last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be the id of the last grant of the page before");
  }
  const { id, name } = await getNamespace(deps, asked.namespace);
  const seesAll =
    deps.access.isAuditor(actor) || (await deps.access.decideOnNamespace(actor, "admin", name)) === "allowed";
  if (page.limit === 0) return { grants: [], hasMore: false };
  const rows = await listNamespaceGrants(deps.database.read, id, {
    after: Number(page.last ?? 0),
    limit: page.limit + 1,
    withRepositories,
    concerning: seesAll ? undefined : actor.kind === "user" ? actor.userId : 0,
  });
  return { grants: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** Who may do something in a namespace without being in a team of it, by name, one page. `NOT_FOUND` when there is no such namespace. */
export async function listCollaboratorPage(deps: IdentityDeps, namespace: string, page: Page) {
  const { id } = await getNamespace(deps, namespace);
  if (page.limit === 0) return { collaborators: [], hasMore: false };
  const asked = { last: page.last, limit: page.limit + 1, nowMs: deps.clock.nowMs() };
  const rows = await listCollaborators(deps.database.read, id, asked);
  return { collaborators: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}
