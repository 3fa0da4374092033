import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { checkRecentSignIn } from "../../http/check-sign-in.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { type EmailAddress, tryParseEmailAddress } from "../../lib/email-address.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteSessionsOf } from "../sessions/session-store.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { deleteRefreshTokensOf } from "../token-service/refresh-token-store.ts";
import { confirmationHours, hourMs, linkPath, newLinkToken } from "./account-link.ts";
import {
  type AccountCard,
  deleteAccountLinksOf,
  findCardByEmail,
  findCardById,
  findPendingEmail,
  insertAccountLink,
  lockCard,
  updateCard,
} from "./account-store.ts";
import { notifyAddress, notifyUser } from "./notify-user.ts";

export interface OwnChange {
  /** "" takes it away. */
  readonly fullName?: string;
  readonly email?: string;
  readonly password?: string;
  /** Needed for a new password, and for a new address where there is a password. */
  readonly currentPassword?: string;
}

export interface OwnAccount {
  readonly username: string;
  readonly fullName: string | undefined;
  readonly email: string | undefined;
  /** Takes the place of `email` once its link is followed. */
  readonly pendingEmail: string | undefined;
  readonly hasPassword: boolean;
}

/** What people see of their own account. */
export async function describeOwnAccount(deps: IdentityDeps, actor: UserActor): Promise<OwnAccount> {
  const { read } = deps.database;
  const card = await findCardById(read, actor.userId);
  if (card === undefined) throw new AppError("UNAUTHORIZED", "sign in first");
  const { username, fullName, email, passwordHash } = card;
  const pendingEmail = await findPendingEmail(read, actor.userId, deps.clock.nowMs());
  return { username, fullName, email, pendingEmail, hasPassword: passwordHash !== undefined };
}

const maxMailsAnHour = 4;

/**
 * Changes what is given of one's own account, all or nothing. A new address counts once the link sent to it is followed; the old one is told at once. A new
 * password ends every session and token that was got with the old one, this one included. `DENIED` when the present password is missing or
 * wrong; `REQUEST_INVALID` for an address or password that is none; `TOOMANYREQUESTS` after too many wrong ones.
 */
export async function changeOwnAccount(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  call: Call & { readonly actor: UserActor },
  change: OwnChange,
): Promise<OwnAccount> {
  const { actor } = call;
  const email = change.email === undefined ? undefined : tryParseEmailAddress(change.email);
  if (change.email !== undefined && email === undefined) {
    throw new AppError("REQUEST_INVALID", "`email` is no e-mail address");
  }
  if (email !== undefined || change.password !== undefined) await checkPresence(deps, secrets, call, change);
  const passwordHash =
    change.password === undefined
      ? undefined
      : await deps.passwords.hash(change.password, { username: actor.username, email });
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    await bumpAccessVersion(tx);
    const card = await lockCard(tx, actor.userId);
    if (card === undefined) throw new AppError("UNAUTHORIZED", "sign in first");
    if (change.fullName !== undefined)
      await updateCard(tx, card.userId, { fullName: change.fullName || null });
    if (passwordHash !== undefined) await replacePassword(deps, tx, card, passwordHash);
    if (email !== undefined && email !== card.email) await askForNewEmail(deps, tx, card, email);
    await recordAudit(tx, call, nowMs, {
      action: "user.change-own",
      target: `user ${card.username}`,
      before: { fullName: card.fullName ?? null, email: card.email ?? null },
      after: {
        ...(change.fullName === undefined ? {} : { fullName: change.fullName || null }),
        ...(email === undefined ? {} : { pendingEmail: email }),
        ...(passwordHash === undefined ? {} : { password: "changed" }),
      },
    });
  });
  deps.access.changed();
  return describeOwnAccount(deps, actor);
}

/** Whoever finds an unlocked browser must not take the account over with it. */
async function checkPresence(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  call: Call & { readonly actor: UserActor },
  change: OwnChange,
): Promise<void> {
  const { userId, username } = call.actor;
  const card = await findCardById(deps.database.read, userId);
  if (card?.passwordHash === undefined) {
    if (change.password === undefined) {
      checkRecentSignIn(call.actor, deps.clock.nowMs(), deps.sessions.recentMs);
      return;
    }
    throw new AppError("DENIED", "this account signs in elsewhere and has no password here");
  }
  const refusal = "the present password (`currentPassword`) is missing or wrong";
  if (change.currentPassword === undefined) throw new AppError("DENIED", refusal);
  try {
    await secrets.verifyPassword(username, change.currentPassword, call.client?.address ?? "unknown");
  } catch (error) {
    if (error instanceof AppError && error.code === "UNAUTHORIZED") throw new AppError("DENIED", refusal);
    throw error;
  }
}

async function replacePassword(
  deps: IdentityDeps,
  tx: Tx,
  card: AccountCard,
  passwordHash: string,
): Promise<void> {
  const { userId, username } = card;
  await updateCard(tx, userId, { passwordHash });
  await deleteAccountLinksOf(tx, userId, "password-reset");
  await deleteRefreshTokensOf(tx, userId);
  await deleteSessionsOf(tx, userId);
  await notifyUser(deps, tx, userId, {
    title: "Your password was changed",
    lines: [
      `The password of the account ${username} was changed by somebody who knew the old one.`,
      "Everything that was signed in with the old one has ended.",
    ],
  });
}

async function askForNewEmail(
  deps: IdentityDeps,
  tx: Tx,
  card: AccountCard,
  email: EmailAddress,
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const { userId, username } = card;
  const kinds = ["email-change", "sign-up-known-address"] as const;
  if (await deps.mails.isFlooded(tx, { to: email, kinds, sinceMs: nowMs - hourMs, limit: maxMailsAnHour })) {
    throw new AppError("TOOMANYREQUESTS", "this address got several such mails within the hour; try later", {
      retryAfterSeconds: 3_600,
    });
  }
  const { token, tokenHash } = newLinkToken(deps.secretBox);
  const expiresAtMs = nowMs + confirmationHours * hourMs;
  await deleteAccountLinksOf(tx, userId, "email-change");
  await insertAccountLink(tx, { kind: "email-change", userId, tokenHash, email, nowMs, expiresAtMs });
  // Whose address it is is told to its owner, not to whoever asks.
  const owner = await findCardByEmail(tx, email);
  if (owner !== undefined) {
    await deps.mails.queue(tx, {
      to: email,
      kind: "sign-up-known-address",
      data: { username: owner.username },
      nowMs,
    });
  } else {
    await deps.mails.queue(tx, {
      to: email,
      kind: "email-change",
      data: { username, path: linkPath("confirm-email", token), hours: confirmationHours },
      nowMs,
      uselessAfterMs: expiresAtMs,
    });
  }
  if (card.email === undefined) return;
  await notifyAddress(deps, tx, card.email, {
    title: "A new e-mail address was asked for",
    lines: [
      `The account ${username} is to have the e-mail address ${email} instead of this one, as soon as somebody confirms it there.`,
    ],
  });
}
