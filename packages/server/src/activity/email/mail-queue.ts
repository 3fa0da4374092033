import type { EmailAddress } from "../../lib/email-address.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Tx } from "../../storage/database/database.ts";
import { countMailsTo, insertMail, lockRecipient } from "./mail-store.ts";
import type { MailData, MailKind } from "./mail-templates.ts";

/** A mail to be sent because of what a transaction changes. */
export interface NewMail<K extends MailKind> {
  readonly to: EmailAddress;
  readonly kind: K;
  readonly data: MailData[K];
  readonly nowMs: number;
  /** Not sent any more from then on: the link in it works no longer. Undefined = always worth sending. */
  readonly uselessAfterMs?: number | undefined;
}

export interface MailQueue {
  /**
   * Queues a mail in the transaction that makes it true: either both are committed or neither. It is sent afterwards, at least once, whenever a mail
   * server is configured and answers. What it says lies sealed in the row, as it may hold a link that works.
   */
  queue<K extends MailKind>(tx: Tx, mail: NewMail<K>): Promise<void>;
  /**
   * Whether the address was to get `limit` mails of these kinds since then: nobody is flooded in our name. Of several that ask at once each waits until the one before
   * has queued its mail, or has not.
   */
  isFlooded(
    tx: Tx,
    query: {
      readonly to: EmailAddress;
      readonly kinds: readonly MailKind[];
      readonly sinceMs: number;
      readonly limit: number;
    },
  ): Promise<boolean>;
}

export function createMailQueue(secretBox: SecretBox): MailQueue {
  return {
    async queue(tx, { to, kind, data, nowMs, uselessAfterMs }) {
      const sealedData = secretBox.seal(JSON.stringify(data), sealContextOf(kind, to));
      await insertMail(tx, { recipient: to, kind, sealedData, nowMs, uselessAfterMs });
    },
    async isFlooded(tx, { to, kinds, sinceMs, limit }) {
      await lockRecipient(tx, to);
      return (await countMailsTo(tx, { recipient: to, kinds, sinceMs })) >= limit;
    },
  };
}

/** What a mail says opens for its own recipient only: a row that was redirected is not sent. */
export function sealContextOf(kind: string, recipient: string): string {
  return `mail ${kind} ${recipient}`;
}
