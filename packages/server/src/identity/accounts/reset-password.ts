import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import { deleteAccessTokensOf } from "../access-tokens/access-token-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteSessionsOf } from "../sessions/session-store.ts";
import { deleteRefreshTokensOf } from "../token-service/refresh-token-store.ts";
import { deadLink, hourMs, linkPath, newLinkToken, resetMinutes } from "./account-link.ts";
import {
  type AccountCard,
  deleteAccountLinksOf,
  findAccountLink,
  findCardById,
  holdCardByEmail,
  insertAccountLink,
  lockCard,
  takeAccountLink,
  updateCard,
} from "./account-store.ts";
import { notifyUser } from "./notify-user.ts";

const mailKinds = ["password-reset", "password-reset-elsewhere"] as const;
/** Mails about a new password that one address gets in an hour, whoever asks. */
const maxMailsAnHour = 3;

/**
 * Sends a link to a new password to the address, if it is somebody's who signs in with one. The caller learns nothing of it. `REQUEST_INVALID` for what
 * is no address. May be repeated, up to some mails an hour; every link that has not expired works until one was used.
 */
export async function requestPasswordReset(deps: IdentityDeps, call: Call, address: string): Promise<void> {
  const email = tryParseEmailAddress(address);
  if (email === undefined) throw new AppError("REQUEST_INVALID", "`email` is no e-mail address");
  const nowMs = deps.clock.nowMs();
  const { token, tokenHash } = newLinkToken(deps.secretBox);
  await deps.database.transaction(async (tx) => {
    // Held: a link that is sent to an address must not come after the change of address that ends such links.
    const card = await holdCardByEmail(tx, email);
    const limits = { to: email, kinds: mailKinds, sinceMs: nowMs - hourMs, limit: maxMailsAnHour };
    const isFlooded = await deps.mails.isFlooded(tx, limits);
    const isKnown = card !== undefined && mayReset(card);
    await recordAudit(tx, call, nowMs, {
      action: "user.request-password-reset",
      target: isKnown ? `user ${card.username}` : "nobody",
      outcome: isKnown && !isFlooded ? "succeeded" : "denied",
      detail: { email },
    });
    if (!isKnown || isFlooded) return;
    const { userId, username } = card;
    if (card.passwordHash === undefined) {
      await deps.mails.queue(tx, { to: email, kind: "password-reset-elsewhere", data: { username }, nowMs });
      return;
    }
    const expiresAtMs = nowMs + resetMinutes * 60_000;
    const link = { kind: "password-reset", userId, tokenHash, email: undefined, nowMs, expiresAtMs } as const;
    await insertAccountLink(tx, link);
    await deps.mails.queue(tx, {
      to: email,
      kind: "password-reset",
      data: { username, path: linkPath("reset-password", token), minutes: resetMinutes },
      nowMs,
      uselessAfterMs: expiresAtMs,
    });
  });
}

/**
 * Gives the account of the link a new password. Whatever was signed in with the old one ends, here at once and elsewhere within about a second: sessions,
 * refresh tokens, bearer tokens; access tokens only with `revokeAccessTokens`. `NOT_FOUND` when the link is unknown, was used, or has expired;
 * `REQUEST_INVALID` for a password that is none, and then the link still works.
 */
export async function resetPassword(
  deps: IdentityDeps,
  call: Call,
  reset: { readonly token: string; readonly password: string; readonly revokeAccessTokens: boolean },
): Promise<void> {
  const hashes = deps.secretBox.hashes(reset.token);
  const nowMs = deps.clock.nowMs();
  // Hashing is dear, so not for nobody.
  const found = await findAccountLink(deps.database.read, "password-reset", hashes);
  const owner = found === undefined ? undefined : await findCardById(deps.database.read, found.userId);
  if (found === undefined || owner === undefined || found.expiresAtMs <= nowMs) throw deadLink();
  const passwordHash = await deps.passwords.hash(reset.password, owner);
  await deps.database.transaction(async (tx) => {
    await bumpAccessVersion(tx);
    const link = await takeAccountLink(tx, "password-reset", hashes);
    const card = link === undefined ? undefined : await lockCard(tx, link.userId);
    if (card === undefined || !mayReset(card)) throw deadLink();
    const { userId, username } = card;
    // Whoever followed the link reads the account's mail.
    await updateCard(tx, userId, { passwordHash, emailVerifiedAtMs: nowMs });
    await deleteAccountLinksOf(tx, userId);
    await deleteRefreshTokensOf(tx, userId);
    await deleteSessionsOf(tx, userId);
    if (reset.revokeAccessTokens) await deleteAccessTokensOf(tx, userId);
    await recordAudit(tx, call, nowMs, {
      action: "user.reset-password",
      target: `user ${username}`,
      detail: { revokedAccessTokens: reset.revokeAccessTokens },
    });
    await notifyUser(deps, tx, userId, {
      title: "Your password was changed",
      lines: [
        `The password of the account ${username} was changed by a link that was sent to this address.`,
        "Everything that was signed in with the old one has ended.",
      ],
    });
  });
  deps.access.changed();
}

function mayReset(card: AccountCard): boolean {
  return card.kind === "person" && !card.isDisabled;
}
