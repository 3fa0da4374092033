import { actorName } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import { newSecret } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getLockedTeam, type Team } from "../teams/find-teams.ts";
import { findMemberOrigin, isSynced } from "../teams/team-store.ts";
import { getHeldAccount } from "../users/hold-account.ts";
import {
  findInvitation,
  findProvedEmail,
  type Invitation,
  type Invited,
  replaceInvitation,
} from "./invitation-store.ts";

/** Mails about invitations that one address gets in an hour, whoever invites. */
const maxMailsAnHour = 20;
const dayMs = 86_400_000;

export type NamedInvited = { readonly email: string } | { readonly username: string };

/**
 * Invites somebody into a team, by an account or an e-mail address; what they get is a mail with a link that works once, and only for them. A new
 * invitation takes the place of the one before. `NOT_FOUND` when there is no such team or person; `REQUEST_INVALID` for what is no address, and
 * for a robot; `ALREADY_EXISTS` for somebody who is in the team; `IN_USE` where a directory says who is in it; `TOOMANYREQUESTS` when the address
 * gets too many mails.
 */
export async function invite(
  deps: IdentityDeps,
  call: Call,
  asked: { readonly namespace: string; readonly team: string; readonly invited: NamedInvited },
): Promise<Invitation> {
  return deps.database.transaction(async (tx) => {
    const { team } = await getLockedTeam(tx, asked.namespace, asked.team);
    const invited = await resolveInvited(tx, team, asked.invited);
    return inviteIn(tx, deps, call, { team, namespace: asked.namespace, invited });
  });
}

/** As `invite`, in the caller's transaction, which holds the team. */
export async function inviteIn(
  tx: Tx,
  deps: IdentityDeps,
  call: Call,
  asked: { readonly team: Team; readonly namespace: string; readonly invited: Invited },
): Promise<Invitation> {
  const { team, namespace, invited } = asked;
  if (await isSynced(tx, team.id)) {
    throw new AppError("IN_USE", `a directory says who is in the team ${team.name}; change it there`);
  }
  const nowMs = deps.clock.nowMs();
  const expiresAtMs = nowMs + deps.organizations.invitationDays * dayMs;
  const token = newSecret();
  const id = await replaceInvitation(tx, {
    namespaceId: team.namespaceId,
    teamId: team.id,
    invited,
    secretHash: deps.secretBox.hash(token),
    invitedBy: actorName(call.actor),
    nowMs,
    expiresAtMs,
  });
  await sendMail(tx, deps, call, { ...asked, token, expiresAtMs });
  const invitation = await findInvitation(tx, id);
  if (invitation === undefined) throw new Error("an invitation was not inserted");
  const { email, username } = invitation;
  await recordAudit(tx, call, nowMs, {
    action: "invitation.create",
    target: `team ${namespace}/${team.name}`,
    namespace,
    after: { email, username, expiresAtMs },
  });
  return invitation;
}

async function sendMail(
  tx: Tx,
  deps: IdentityDeps,
  call: Call,
  {
    team,
    namespace,
    invited,
    token,
    expiresAtMs,
  }: {
    readonly team: Team;
    readonly namespace: string;
    readonly invited: Invited;
    readonly token: string;
    readonly expiresAtMs: number;
  },
): Promise<void> {
  const to = "email" in invited ? invited.email : await findProvedEmail(tx, invited.userId);
  // Who is invited by name sees it among their invitations, mail or not.
  if (to === undefined) return;
  const nowMs = deps.clock.nowMs();
  const sent = { to, kinds: ["notice"] as const, sinceMs: nowMs - 3_600_000, limit: maxMailsAnHour };
  if (await deps.mails.isFlooded(tx, sent)) {
    throw new AppError("TOOMANYREQUESTS", "this address gets too many mails; try again in an hour", {
      retryAfterSeconds: 3_600,
    });
  }
  await deps.mails.queue(tx, {
    to,
    kind: "notice",
    data: {
      title: `Invitation to ${namespace}`,
      lines: [
        `${actorName(call.actor)} invites you into the team ${team.name} of ${namespace}.`,
        `The link works once and for ${deps.organizations.invitationDays} days, for whoever reads this address.`,
      ],
      // Behind a "#", which browsers send to nobody.
      link: { label: "Accept the invitation", path: `/account/accept-invitation#token=${token}` },
      footnote: "If you do not know what this is about, do nothing.",
    },
    nowMs,
    uselessAfterMs: expiresAtMs,
  });
}

async function resolveInvited(tx: Tx, team: Team, named: NamedInvited): Promise<Invited> {
  if ("email" in named) {
    const email = tryParseEmailAddress(named.email);
    if (email === undefined) throw new AppError("REQUEST_INVALID", "`email` is no e-mail address");
    return { email };
  }
  const account = await getHeldAccount(tx, named.username);
  if (account.kind !== "person") {
    throw new AppError("REQUEST_INVALID", `${named.username} is a robot; put it into the team instead`);
  }
  if ((await findMemberOrigin(tx, team.id, account.id)) !== undefined) {
    throw new AppError("ALREADY_EXISTS", `${named.username} is in the team already`);
  }
  return { userId: account.id };
}
