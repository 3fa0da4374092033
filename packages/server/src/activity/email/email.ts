import type { Registry as MetricsRegistry } from "prom-client";
import type { Endpoint } from "../../http/endpoint.ts";
import type { Log } from "../../lib/log.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import { mailEndpoints } from "./mail-routes.ts";
import { createMailSender } from "./mail-sender.ts";
import { type MailManagementDeps, pruneOldMails } from "./manage-mails.ts";

export interface EmailDeps extends MailManagementDeps {
  readonly secretBox: SecretBox;
  readonly log: Log;
  readonly instanceId: string;
  readonly metrics: MetricsRegistry;
}

/** Outgoing mail as the composition root sees it. Mails are queued by `MailQueue`, in the transactions that cause them. */
export interface Email {
  readonly endpoints: readonly Endpoint[];
  /** Starts sending, if a mail server is configured. */
  start(): void;
  stop(): Promise<void>;
  /** Forgets old mails; bounded, may be repeated. */
  prune(): Promise<void>;
}

export function createEmail(deps: EmailDeps): Email {
  const { smtp, publicUrl } = deps;
  const sender =
    smtp === undefined || publicUrl === undefined
      ? undefined
      : createMailSender({ ...deps, smtp, publicUrl });
  return {
    endpoints: mailEndpoints(deps),
    start: () => sender?.start(),
    stop: async () => sender?.stop(),
    prune: () => pruneOldMails(deps),
  };
}
