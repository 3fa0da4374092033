import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace, getNamespace } from "../organizations/find-organizations.ts";
import {
  deleteInvitation,
  findInvitation,
  type Invitation,
  listInvitationsOf,
  lockInvitation,
} from "./invitation-store.ts";

export type { Invitation };

/** One page of the invitations of an organization, those that ran out lately included, and whether more follow. `NOT_FOUND` when there is none such. */
export async function listInvitationPage(
  deps: IdentityDeps,
  namespace: string,
  page: Page,
): Promise<{ readonly invitations: readonly Invitation[]; readonly hasMore: boolean }> {
  if (page.last !== undefined && !/^[0-9]{1,15}$/.test(page.last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be the id of the last invitation of the page before");
  }
  const { id } = await getNamespace(deps, namespace);
  if (page.limit === 0) return { invitations: [], hasMore: false };
  const asked = { after: Number(page.last ?? 0), limit: page.limit + 1 };
  const rows = await listInvitationsOf(deps.database.read, id, asked);
  return { invitations: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** Takes an invitation back: its link works no more. `NOT_FOUND`. */
export async function revokeInvitation(
  deps: IdentityDeps,
  call: Call,
  invitation: { readonly namespace: string; readonly id: number },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const namespace = await getHeldNamespace(tx, invitation.namespace);
    const found = await findInvitation(tx, invitation.id);
    // Whoever accepts it at this moment is waited for: then it was used, and nothing was taken back.
    if (found?.namespaceId !== namespace.id || !(await lockInvitation(tx, found.id))) {
      throw new AppError("NOT_FOUND", `there is no invitation ${invitation.id}`);
    }
    await deleteInvitation(tx, found.id);
    await recordAudit(tx, call, nowMs, {
      action: "invitation.revoke",
      target: `team ${found.namespace}/${found.team}`,
      namespace: namespace.name,
      before: { email: found.email, username: found.username },
    });
  });
}
