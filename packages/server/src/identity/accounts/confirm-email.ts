import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { EmailAddress } from "../../lib/email-address.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertUser, insertUserNamespace } from "../users/user-store.ts";
import { deadLink } from "./account-link.ts";
import {
  deleteAccountLinksOf,
  deleteSignUpsOf,
  findCardByEmail,
  isNameTaken,
  lockCard,
  type SignUp,
  takeAccountLink,
  takeSignUp,
  updateCard,
} from "./account-store.ts";
import { notifyAddress } from "./notify-user.ts";

export interface Confirmed {
  readonly username: string;
  /** 'account-created': one can sign in now; 'email-changed': the account has its new address. */
  readonly outcome: "account-created" | "email-changed";
}

/**
 * Follows the link of a mail that proves an address. `NOT_FOUND` when it is unknown, was used, or has expired; `ALREADY_EXISTS` when somebody else has
 * the name or the address meanwhile. Of several that follow one link at once, one gets through.
 */
export async function confirmEmail(deps: IdentityDeps, call: Call, token: string): Promise<Confirmed> {
  const hashes = deps.secretBox.hashes(token);
  const confirmed = await deps.database.transaction(async (tx) => {
    // First, as changes of who there is wait for one another here: nobody takes the name or the address between the look and the change.
    await bumpAccessVersion(tx);
    const signUp = await takeSignUp(tx, hashes);
    return signUp === undefined
      ? await changeEmail(deps, tx, call, hashes)
      : await createAccount(deps, tx, call, signUp);
  });
  deps.access.changed();
  return confirmed;
}

async function createAccount(deps: IdentityDeps, tx: Tx, call: Call, signUp: SignUp): Promise<Confirmed> {
  const nowMs = deps.clock.nowMs();
  const { username, email, passwordHash, expiresAtMs } = signUp;
  if (expiresAtMs <= nowMs) throw deadLink();
  await refuseTaken(tx, email);
  const isTaken = await isNameTaken(tx, username);
  const userId = isTaken
    ? undefined
    : await insertUser(tx, { username, passwordHash, isAdmin: false, nowMs });
  if (userId === undefined || !(await insertUserNamespace(tx, { name: username, userId, nowMs }))) {
    throw new AppError(
      "ALREADY_EXISTS",
      `the name ${username} was taken meanwhile; sign up again with another`,
    );
  }
  await updateCard(tx, userId, { email, emailVerifiedAtMs: nowMs });
  await deleteSignUpsOf(tx, email);
  await recordAudit(tx, call, nowMs, {
    action: "user.create",
    target: `user ${username}`,
    after: { username, email },
    detail: { by: "sign-up" },
  });
  return { username, outcome: "account-created" };
}

async function changeEmail(
  deps: IdentityDeps,
  tx: Tx,
  call: Call,
  hashes: readonly string[],
): Promise<Confirmed> {
  const nowMs = deps.clock.nowMs();
  const link = await takeAccountLink(tx, "email-change", hashes);
  const card = link === undefined ? undefined : await lockCard(tx, link.userId);
  if (link?.email === undefined || card === undefined || link.expiresAtMs <= nowMs) throw deadLink();
  await refuseTaken(tx, link.email);
  await updateCard(tx, card.userId, { email: link.email, emailVerifiedAtMs: nowMs });
  // A link to a new password that was sent to the old address must not outlive it.
  await deleteAccountLinksOf(tx, card.userId);
  await deleteSignUpsOf(tx, link.email);
  const { username } = card;
  await recordAudit(tx, call, nowMs, {
    action: "user.change-email",
    target: `user ${username}`,
    before: { email: card.email },
    after: { email: link.email },
  });
  if (card.email !== undefined) {
    await notifyAddress(deps, tx, card.email, {
      title: "Your e-mail address was changed",
      lines: [
        `The account ${username} has another e-mail address now: ${link.email}. This one gets no more mail from it.`,
      ],
    });
  }
  return { username, outcome: "email-changed" };
}

async function refuseTaken(tx: Tx, email: EmailAddress): Promise<void> {
  if ((await findCardByEmail(tx, email)) === undefined) return;
  throw new AppError("ALREADY_EXISTS", "another account has this e-mail address meanwhile");
}
