import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { createMailSender } from "../../activity/email/mail-sender.ts";
import { type ReceivedMail, startMailServer } from "../../activity/email/testing/mail-server.ts";
import { silentLog } from "../../lib/log.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { TestIdentity } from "./start-identity.ts";

/** Everybody's mailbox: what the instance queued travels through a real SMTP server. */
export interface TestMailbox {
  /** What has arrived since the last call. */
  collect(): Promise<readonly ReceivedMail[]>;
  /** As `collect`, where one mail to the address is expected. */
  one(to: string): Promise<ReceivedMail>;
}

export const publicUrl = "https://registry.example.org";

export async function openMailbox(
  t: TestContext,
  instance: Pick<TestIdentity, "database" | "clock">,
): Promise<TestMailbox> {
  const server = await startMailServer(t, { tls: "none" });
  const sender = createMailSender({
    database: instance.database,
    clock: instance.clock,
    secretBox: createSecretBox([Buffer.alloc(32, 1)]),
    instanceId: "test",
    metrics: new Registry(),
    log: silentLog,
    smtp: server.settings,
    publicUrl,
  });
  const collect = async () => {
    await sender.sendDue();
    return server.received.splice(0);
  };
  return {
    collect,
    async one(to) {
      const mails = await collect();
      const [mail] = mails;
      if (mail === undefined || mails.length !== 1 || mail.envelopeTo[0] !== to) {
        throw new Error(
          `one mail to ${to} was expected; there are: ${mails.map((one) => `${one.envelopeTo.join()}: ${one.parsed.subject}`).join(" | ")}`,
        );
      }
      return mail;
    },
  };
}

/** What the link in a mail carries. */
export function tokenIn(mail: ReceivedMail): string {
  const [, token] = /#token=([A-Za-z0-9_-]+)/.exec(mail.parsed.text ?? "") ?? [];
  if (token === undefined) throw new Error(`no link in: ${mail.parsed.text}`);
  return token;
}
