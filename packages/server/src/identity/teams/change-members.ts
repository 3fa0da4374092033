import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { Invitation } from "../invitations/invitation-store.ts";
import { inviteIn } from "../invitations/invite.ts";
import { type Account, getHeldAccount } from "../users/hold-account.ts";
import { getLockedTeam } from "./find-teams.ts";
import { keepAdministrable } from "./keep-administrable.ts";
import {
  deleteMember,
  findMemberOrigin,
  insertMember,
  isInAnyTeam,
  isSynced,
  type Team,
} from "./team-store.ts";

export interface Membership {
  readonly namespace: string;
  readonly team: string;
  readonly username: string;
}

/**
 * Puts a person, or a robot of the organization, into a team; where new people are invited, somebody who is in no team of the organization yet gets an
 * invitation instead, which is told. In force at once here, within about a second elsewhere. `NOT_FOUND` when there is
 * no such team or account; `REQUEST_INVALID` for a robot of another namespace; `IN_USE` for a person where a directory says who is in the team.
 * May be repeated.
 */
export async function addMember(
  deps: IdentityDeps,
  call: Call,
  membership: Membership,
): Promise<Invitation | undefined> {
  const nowMs = deps.clock.nowMs();
  const invitation = await deps.database.transaction(async (tx) => {
    const { namespace, team } = await getLockedTeam(tx, membership.namespace, membership.team);
    const account = await getHeldAccount(tx, membership.username);
    checkBelongs(account, namespace.id, membership);
    await refuseSynced(tx, team, account);
    if (await mustBeInvited(deps, tx, call, account, namespace.id)) {
      const invited = { userId: account.id };
      return inviteIn(tx, deps, call, { team, namespace: namespace.name, invited });
    }
    await bumpAccessVersion(tx);
    const isNew = await insertMember(tx, { teamId: team.id, userId: account.id, origin: "manual", nowMs });
    if (!isNew) return undefined;
    await recordAudit(tx, call, nowMs, {
      action: "team.add-member",
      target: `team ${membership.namespace}/${membership.team}`,
      namespace: membership.namespace,
      after: { username: membership.username },
    });
    return undefined;
  });
  deps.access.changed();
  return invitation;
}

/** Nobody is made a member of something against their will, where it is set so. */
async function mustBeInvited(
  deps: IdentityDeps,
  tx: Tx,
  { actor }: Call,
  account: Account,
  namespaceId: number,
): Promise<boolean> {
  if (deps.organizations.newMembers === "added" || account.kind === "robot") return false;
  if (actor.kind === "user" && actor.isAdmin) return false;
  return !(await isInAnyTeam(tx, namespaceId, account.id));
}

/**
 * Takes somebody out of a team, and what they may by it, tokens already issued included. `NOT_FOUND` when there is no such team, account or
 * membership; `IN_USE` where a directory says who is in the team, and when nobody would be left to administer the organization.
 */
export async function removeMember(deps: IdentityDeps, call: Call, membership: Membership): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { namespace, team } = await getLockedTeam(tx, membership.namespace, membership.team);
    const account = await getHeldAccount(tx, membership.username);
    await bumpAccessVersion(tx);
    const origin = await findMemberOrigin(tx, team.id, account.id);
    if (origin === undefined) {
      throw new AppError("NOT_FOUND", `${membership.username} is not in the team ${membership.team}`);
    }
    if (origin === "sync") throw bySync(team);
    await keepAdministrable(tx, namespace.id, nowMs, () => deleteMember(tx, team.id, account.id));
    await recordAudit(tx, call, nowMs, {
      action: "team.remove-member",
      target: `team ${membership.namespace}/${membership.team}`,
      namespace: membership.namespace,
      before: { username: membership.username },
    });
  });
  deps.access.changed();
}

/** A robot works for the namespace that owns it: elsewhere it gets grants, not a place among the members. */
function checkBelongs(account: Account, namespaceId: number, { namespace, username }: Membership): void {
  if (account.kind === "person" || account.namespaceId === namespaceId) return;
  throw new AppError(
    "REQUEST_INVALID",
    `${username} is no robot of ${namespace}; grant it what it needs instead`,
  );
}

async function refuseSynced(tx: Tx, team: Team, account: Account): Promise<void> {
  if (account.kind === "person" && (await isSynced(tx, team.id))) throw bySync(team);
}

function bySync(team: Team): AppError {
  return new AppError("IN_USE", `a directory says who is in the team ${team.name}; change it there`);
}
