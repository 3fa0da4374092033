import { actorName } from "../../access/actor.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Database } from "../../storage/database/database.ts";
import { recordAudit } from "../audit/record-audit.ts";
import { renderMail } from "./mail-content.ts";
import {
  countMailsByState,
  listMails,
  type Mail,
  type MailState,
  pruneMails,
  requeueMail,
} from "./mail-store.ts";
import { composeMail } from "./mail-templates.ts";
import { openSmtpClient, type SmtpSettings } from "./smtp-client.ts";

export type { Mail, MailState };

export interface MailManagementDeps {
  readonly database: Database;
  readonly clock: Clock;
  /** Undefined = mails stay queued. */
  readonly smtp: SmtpSettings | undefined;
  readonly publicUrl: string | undefined;
}

/** One page of mails, newest first, with how many there are of each state. What mails say is shown to nobody. */
export async function listMailPage(
  deps: MailManagementDeps,
  page: { readonly state: MailState | undefined; readonly last: number | undefined; readonly limit: number },
): Promise<{
  readonly mails: readonly Mail[];
  readonly hasMore: boolean;
  readonly counts: Readonly<Record<MailState, number>>;
}> {
  const { read } = deps.database;
  const rows = await listMails(read, { ...page, limit: page.limit + 1 });
  const counts = await countMailsByState(read);
  return { mails: rows.slice(0, page.limit), hasMore: rows.length > page.limit, counts };
}

/** Lets a mail that is dead or waits be tried at once. `NOT_FOUND` when there is none, or it was sent. */
export async function retryMail(deps: MailManagementDeps, call: Call, id: number): Promise<Mail> {
  const nowMs = deps.clock.nowMs();
  const mail = await deps.database.transaction(async (tx) => {
    const found = await requeueMail(tx, id, nowMs);
    if (found === undefined) return undefined;
    await recordAudit(tx, call, nowMs, {
      action: "mail.retry",
      target: `mail ${id}`,
      detail: { kind: found.kind, to: found.recipient },
    });
    return found;
  });
  if (mail === undefined) throw new AppError("NOT_FOUND", "there is no such mail that waits or has failed");
  return mail;
}

/**
 * Writes to an address at once, past the queue, and tells what the mail server answered. `REQUEST_INVALID` for what is no address. A server that
 * cannot be used is an answer, no error.
 */
export async function sendTestMail(
  deps: MailManagementDeps,
  call: Call,
  to: string,
): Promise<{ readonly isSent: boolean; readonly detail: string }> {
  const address = tryParseEmailAddress(to);
  if (address === undefined) throw new AppError("REQUEST_INVALID", "`to` is no e-mail address");
  const { smtp, publicUrl } = deps;
  if (smtp === undefined || publicUrl === undefined) {
    return { isSent: false, detail: "no mail server is configured: set smtp.host, smtp.from and publicUrl" };
  }
  const content = composeMail("test", { requestedBy: actorName(call.actor) });
  const messageId = `<test-${newUuid()}@${new URL(publicUrl).hostname}>`;
  const client = await openSmtpClient(smtp);
  try {
    const delivery = await client.send({ ...renderMail(content, { publicUrl }), to: address, messageId });
    const isSent = delivery.kind === "sent";
    await deps.database.transaction((tx) =>
      recordAudit(tx, call, deps.clock.nowMs(), {
        action: "mail.test",
        target: `mail to ${address}`,
        outcome: isSent ? "succeeded" : "failed",
      }),
    );
    return { isSent, detail: delivery.kind === "sent" ? delivery.reply : delivery.reason };
  } finally {
    client.close();
  }
}

const dayMs = 86_400_000;
/** Sent ones are only of interest while somebody asks "did it go out?"; the others have something to be mended. */
const keptDays: Readonly<Record<MailState, number>> = { sent: 7, dead: 30, queued: 90 };
const pruneBatch = 500;

/** Forgets old mails; bounded, may be repeated. */
export async function pruneOldMails(deps: Pick<MailManagementDeps, "database" | "clock">): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(
    async (tx) => {
      for (const state of ["sent", "dead", "queued"] as const) {
        await pruneMails(tx, { state, beforeMs: nowMs - keptDays[state] * dayMs, limit: pruneBatch });
      }
    },
    { durable: false },
  );
}
