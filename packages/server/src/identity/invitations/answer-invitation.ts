import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { isLimited, type UserActor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { deleteSignUpsOf, findCardByEmail, isNameTaken, updateCard } from "../accounts/account-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertMember, isSynced } from "../teams/team-store.ts";
import { checkUsername } from "../users/create-user.ts";
import { insertUser, insertUserNamespace } from "../users/user-store.ts";
import {
  deleteInvitation,
  findInvitation,
  findInvitationBySecret,
  findProvedEmail,
  type Invitation,
  listInvitationsTo,
  lockInvitation,
} from "./invitation-store.ts";

/** Which invitation: the one of a link, or one of those that the caller is shown. */
export type Which = { readonly token: string } | { readonly id: number };

export interface Accepted {
  readonly username: string;
  readonly namespace: string;
  readonly team: string;
}

/** The invitations that the caller can accept, in the order in which they were made. */
export async function listOwnInvitations(deps: IdentityDeps, call: Call): Promise<readonly Invitation[]> {
  const { userId } = personIn(call);
  const email = await findProvedEmail(deps.database.read, userId);
  return listInvitationsTo(deps.database.read, { userId, email, nowMs: deps.clock.nowMs() });
}

/**
 * Puts the caller into the team that they are invited to, and uses the invitation up. `NOT_FOUND` when it is unknown, was used, was taken back, or
 * has run out; `DENIED` when it is for somebody else: another account, or an address that is not proved to be the caller's; `IN_USE` where a directory
 * says meanwhile who is in the team. Of several that accept at once, one gets through.
 */
export async function acceptInvitation(deps: IdentityDeps, call: Call, which: Which): Promise<Accepted> {
  const { userId, username } = personIn(call);
  const accepted = await deps.database.transaction(async (tx) => {
    const invitation = await take(deps, tx, which);
    await checkInvited(tx, invitation, userId, which);
    await bumpAccessVersion(tx);
    return join(deps, tx, call, invitation, { userId, username });
  });
  deps.access.changed();
  return accepted;
}

/**
 * Makes an account for whoever has the link of an invitation by e-mail: that they have it proves the address. As `acceptInvitation`; `DENIED` where
 * nobody signs up; `REQUEST_INVALID` for a name or password that is none; `ALREADY_EXISTS` when the name is taken, or the address has an account,
 * which is then signed in with.
 */
export async function signUpByInvitation(
  deps: IdentityDeps,
  call: Call,
  newcomer: { readonly token: string; readonly username: string; readonly password: string },
): Promise<Accepted> {
  const { username, password } = newcomer;
  if (deps.accounts.signUp === "off") {
    throw new AppError("DENIED", "people do not sign up here; ask an administrator for an account");
  }
  checkUsername(username, deps.defaultNamespace);
  // Hashing is dear, so not for whoever has no invitation.
  const { email: address } = await find(deps, deps.database.read, newcomer);
  const passwordHash = await deps.passwords.hash(password, { username, email: address });
  const nowMs = deps.clock.nowMs();
  const accepted = await deps.database.transaction(async (tx) => {
    // First, as changes of who there is wait for one another here.
    await bumpAccessVersion(tx);
    const invitation = await take(deps, tx, newcomer);
    const { email } = invitation;
    if (email === undefined)
      throw new AppError("DENIED", "the invitation is for an account; sign in with it");
    if ((await findCardByEmail(tx, email)) !== undefined) {
      throw new AppError("ALREADY_EXISTS", "the address has an account; sign in with it, then accept");
    }
    const isTaken = await isNameTaken(tx, username);
    const userId = isTaken
      ? undefined
      : await insertUser(tx, { username, passwordHash, isAdmin: false, nowMs });
    if (userId === undefined || !(await insertUserNamespace(tx, { name: username, userId, nowMs }))) {
      throw new AppError("ALREADY_EXISTS", `the name ${username} is taken`);
    }
    await updateCard(tx, userId, { email, emailVerifiedAtMs: nowMs });
    await deleteSignUpsOf(tx, email);
    await recordAudit(tx, call, nowMs, {
      action: "user.create",
      target: `user ${username}`,
      after: { username, email },
      detail: { by: "invitation" },
    });
    return join(deps, tx, call, invitation, { userId, username });
  });
  deps.access.changed();
  return accepted;
}

/** Uses up an invitation without joining. `NOT_FOUND` when the caller has no such invitation. */
export async function declineInvitation(deps: IdentityDeps, call: Call, id: number): Promise<void> {
  const { userId } = personIn(call);
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const invitation = await take(deps, tx, { id });
    await checkInvited(tx, invitation, userId, { id });
    await deleteInvitation(tx, invitation.id);
    await recordAudit(tx, call, nowMs, { action: "invitation.decline", ...aboutTeam(invitation) });
  });
}

async function join(
  deps: IdentityDeps,
  tx: Tx,
  call: Call,
  invitation: Invitation,
  { userId, username }: { readonly userId: number; readonly username: string },
): Promise<Accepted> {
  const { teamId, namespace, team } = invitation;
  if (await isSynced(tx, teamId)) {
    throw new AppError("IN_USE", `a directory says who is in the team ${team} now`);
  }
  const nowMs = deps.clock.nowMs();
  await deleteInvitation(tx, invitation.id);
  await insertMember(tx, { teamId, userId, origin: "manual", nowMs });
  await recordAudit(tx, call, nowMs, {
    action: "invitation.accept",
    ...aboutTeam(invitation),
    after: { username },
    detail: { invitedBy: invitation.invitedBy },
  });
  return { username, namespace, team };
}

async function find(
  deps: IdentityDeps,
  db: Parameters<typeof findInvitation>[0],
  which: Which,
): Promise<Invitation> {
  const found =
    "token" in which
      ? await findInvitationBySecret(db, deps.secretBox.hashes(which.token))
      : await findInvitation(db, which.id);
  if (found === undefined || found.expiresAtMs <= deps.clock.nowMs()) throw gone();
  return found;
}

async function take(deps: IdentityDeps, tx: Tx, which: Which): Promise<Invitation> {
  const found = await find(deps, tx, which);
  if (!(await lockInvitation(tx, found.id))) throw gone();
  return found;
}

async function checkInvited(tx: Tx, invitation: Invitation, userId: number, which: Which): Promise<void> {
  const isTheirs =
    invitation.email === undefined
      ? invitation.userId === userId
      : invitation.email === (await findProvedEmail(tx, userId));
  if (isTheirs) return;
  // Numbers can be tried out, and say nothing of what is there.
  if ("id" in which) throw gone();
  throw new AppError(
    "DENIED",
    "the invitation is for another account, or for an address that is not proved to be yours",
  );
}

function personIn(call: Call): UserActor {
  const { actor } = call;
  if (actor.kind === "anonymous") throw new AppError("UNAUTHORIZED", "sign in first");
  if (actor.kind === "user" && actor.account === "person" && !isLimited(actor)) return actor;
  throw new AppError("DENIED", "only a person with an unlimited credential may do this");
}

function aboutTeam({ namespace, team }: Invitation) {
  return { target: `team ${namespace}/${team}`, namespace };
}

function gone(): AppError {
  return new AppError(
    "NOT_FOUND",
    "the invitation is unknown, was used before or taken back, or has run out",
  );
}
