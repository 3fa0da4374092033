import type { EmailAddress } from "../../lib/email-address.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findCardById } from "./account-store.ts";

/** What somebody is told of their own account. */
export interface Notice {
  readonly title: string;
  readonly lines: readonly string[];
}

const footnote = "If this was not you, change your password at once and tell your administrator.";

/** Queues a mail to a user about their account, in the transaction that makes it true. Nothing for those without an address. */
export async function notifyUser(
  deps: Pick<IdentityDeps, "mails" | "clock">,
  tx: Tx,
  userId: number,
  notice: Notice,
): Promise<void> {
  const card = await findCardById(tx, userId);
  if (card?.email === undefined) return;
  await notifyAddress(deps, tx, card.email, notice);
}

/** As `notifyUser`, to an address that the account had. */
export async function notifyAddress(
  deps: Pick<IdentityDeps, "mails" | "clock">,
  tx: Tx,
  to: EmailAddress,
  { title, lines }: Notice,
): Promise<void> {
  await deps.mails.queue(tx, {
    to,
    kind: "notice",
    data: { title, lines, footnote },
    nowMs: deps.clock.nowMs(),
  });
}
