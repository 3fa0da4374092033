import type { Invitation } from "./manage-invitations.ts";

/** An invitation as replies show it. What its link carries is in none of them: only whoever reads the mail has it. */
export function shapeInvitation(invitation: Invitation) {
  return {
    id: invitation.id,
    namespace: invitation.namespace,
    team: invitation.team,
    email: invitation.email ?? null,
    username: invitation.username ?? null,
    invitedBy: invitation.invitedBy,
    createdAtMs: invitation.createdAtMs,
    expiresAtMs: invitation.expiresAtMs,
  };
}
