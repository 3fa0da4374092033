import { type Actor, isLimited } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findNamespace, holdNamespace, listOrganizations, type Namespace } from "./namespace-store.ts";
import { isNamespaceName } from "./organization-name.ts";

export type { Namespace };

/** The namespace of that name, an organization's or a user's; `NOT_FOUND` when there is none. */
export async function getNamespace(deps: IdentityDeps, name: string): Promise<Namespace> {
  const found = isNamespaceName(name) ? await findNamespace(deps.database.read, name) : undefined;
  if (found === undefined) throw noSuchNamespace(name);
  return found;
}

/** As `getNamespace`; the namespace stays until the transaction ends. */
export async function getHeldNamespace(tx: Tx, name: string): Promise<Namespace> {
  const found = isNamespaceName(name) ? await holdNamespace(tx, name) : undefined;
  if (found === undefined) throw noSuchNamespace(name);
  return found;
}

/**
 * One page, by name in byte order, of the organizations that the actor is in a team of, and whether more follow; administrators and auditors see
 * all. Nothing for a limited credential.
 */
export async function listOrganizationPage(
  deps: IdentityDeps,
  actor: Actor,
  page: Page,
): Promise<{ readonly organizations: readonly Namespace[]; readonly hasMore: boolean }> {
  if (page.limit === 0 || actor.kind !== "user" || isLimited(actor))
    return { organizations: [], hasMore: false };
  const memberId = deps.access.isAuditor(actor) ? undefined : actor.userId;
  const rows = await listOrganizations(deps.database.read, memberId, { ...page, limit: page.limit + 1 });
  return { organizations: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

export function noSuchNamespace(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no namespace ${JSON.stringify(name.slice(0, 80))}`);
}
