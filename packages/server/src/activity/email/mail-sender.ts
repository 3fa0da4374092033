import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { acquireLease, releaseLease } from "../../storage/database/lease-store.ts";
import { type RenderedMail, renderMail } from "./mail-content.ts";
import { sealContextOf } from "./mail-queue.ts";
import {
  type ClaimedMail,
  claimDueMails,
  countMailsByState,
  hasDueMail,
  mailStates,
  markMailDead,
  markMailSent,
  postponeMail,
} from "./mail-store.ts";
import { composeMail } from "./mail-templates.ts";
import { openSmtpClient, type SmtpClient, type SmtpSettings } from "./smtp-client.ts";

export interface MailSenderDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
  readonly instanceId: string;
  readonly metrics: MetricsRegistry;
  readonly smtp: SmtpSettings;
  /** Where the links in mails lead. */
  readonly publicUrl: string;
}

export interface MailSender {
  /** Starts looking for mails that are due, on every instance; a lease lets one at a time send. */
  start(): void;
  /** Ends after the mail that is under way. */
  stop(): Promise<void>;
  /** Sends what is due now, unless another instance is at it. Tells how many the server took. */
  sendDue(): Promise<number>;
}

type Outcome = { readonly kind: "sent" | "failed" } | { readonly kind: "trouble"; readonly reason: string };

const stopped: Outcome = { kind: "trouble", reason: "the registry was stopped" };
const leaseName = "mail";
const leaseMs = 60_000;
const pollMs = 2_000;
const batch = 10;
/** Longer than a batch can take when every mail in it runs into every time limit. */
const claimMs = 900_000;
/** With the pauses below: four tries in the first quarter of an hour, the last after two days. */
const maxAttempts = 10;
const firstPauseMs = 30_000;
const maxPauseMs = 12 * 3_600_000;
const firstTroubleMs = 5_000;
const maxTroubleMs = 300_000;

export function createMailSender(deps: MailSenderDeps): MailSender {
  const { database, clock, log } = deps;
  const metrics = declareMetrics(deps);
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<number> | undefined;
  let troubles = 0;
  let troubledUntilMs = 0;

  /** What became of the mail is in its row; the outcome says whether the next one may be tried. */
  async function deliver(client: SmtpClient, mail: ClaimedMail): Promise<Outcome> {
    const nowMs = clock.nowMs();
    if (mail.uselessAfterMs !== undefined && mail.uselessAfterMs <= nowMs) {
      await settle((tx) => markMailDead(tx, mail.id, "it was too late: what it links to works no longer"));
      metrics.outcomes.inc({ outcome: "late" });
      return { kind: "failed" };
    }
    const rendered = render(deps, mail);
    if (typeof rendered === "string") {
      await settle((tx) => markMailDead(tx, mail.id, rendered));
      metrics.outcomes.inc({ outcome: "dead" });
      return { kind: "failed" };
    }
    const messageId = messageIdOf(mail, deps.publicUrl);
    const delivery = await client.send({ ...rendered, to: mail.recipient, messageId });
    switch (delivery.kind) {
      case "sent":
        await settle((tx) => markMailSent(tx, mail.id, clock.nowMs()));
        metrics.outcomes.inc({ outcome: "sent" });
        return { kind: "sent" };
      case "trouble":
        return delivery;
      case "refused": {
        const isDead = delivery.isForGood || mail.attempts >= maxAttempts;
        await settle((tx) =>
          isDead
            ? markMailDead(tx, mail.id, delivery.reason)
            : postponeMail(tx, mail.id, {
                untilMs: clock.nowMs() + pauseMs(firstPauseMs, maxPauseMs, mail.attempts - 1),
                error: delivery.reason,
                isCounted: true,
              }),
        );
        metrics.outcomes.inc({ outcome: isDead ? "dead" : "refused" });
        log.warn({ mailId: mail.id, kind: mail.kind, reason: delivery.reason, isDead }, "a mail was refused");
        return { kind: "failed" };
      }
    }
  }

  function settle(work: Parameters<Database["transaction"]>[0]): Promise<unknown> {
    return database.transaction(work);
  }

  async function giveBack(mails: readonly ClaimedMail[], error: string): Promise<void> {
    const untilMs = clock.nowMs();
    await settle(async (tx) => {
      for (const { id } of mails) await postponeMail(tx, id, { untilMs, error, isCounted: false });
    });
  }

  function noteTrouble(reason: string): void {
    troubledUntilMs = clock.nowMs() + pauseMs(firstTroubleMs, maxTroubleMs, troubles);
    troubles += 1;
    metrics.outcomes.inc({ outcome: "trouble" });
    log.warn({ reason, host: deps.smtp.host }, "the mail server cannot be used; it is tried again");
  }

  async function sendBatches(lease: { readonly name: string; readonly holder: string }): Promise<number> {
    const client = await openSmtpClient(deps.smtp);
    let sent = 0;
    try {
      for (;;) {
        const nowMs = clock.nowMs();
        const mails = await database.transaction(async (tx) => {
          if (!(await acquireLease(tx, { ...lease, nowMs, untilMs: nowMs + leaseMs }))) return [];
          return claimDueMails(tx, { nowMs, untilMs: nowMs + claimMs, limit: batch });
        });
        if (mails.length === 0) return sent;
        for (const [index, mail] of mails.entries()) {
          const outcome = isStopping ? stopped : await deliver(client, mail);
          if (outcome.kind === "sent") sent += 1;
          if (outcome.kind !== "trouble") continue;
          await giveBack(mails.slice(index), outcome.reason);
          if (!isStopping) noteTrouble(outcome.reason);
          return sent;
        }
        troubles = 0;
      }
    } finally {
      client.close();
      await database.transaction((tx) => releaseLease(tx, lease), { durable: false });
    }
  }

  async function pass(): Promise<number> {
    const nowMs = clock.nowMs();
    if (nowMs < troubledUntilMs || !(await hasDueMail(database.read, nowMs))) return 0;
    return sendBatches({ name: leaseName, holder: deps.instanceId });
  }

  /** One pass at a time in this process; who comes while one runs shares it. */
  function sendDue(): Promise<number> {
    running ??= pass().finally(() => {
      running = undefined;
    });
    return running;
  }

  function schedule(): void {
    if (isStopping) return;
    timer = setTimeout(() => {
      sendDue()
        .catch((error: unknown) => log.error({ error }, "sending mail failed; it is tried again"))
        .finally(schedule);
    }, pollMs);
    timer.unref();
  }

  return {
    start: schedule,
    async stop() {
      isStopping = true;
      clearTimeout(timer);
      // A failure has been logged where the pass was started.
      await running?.catch(() => undefined);
    },
    sendDue,
  };
}

/** The mail, or why it can never be sent. */
function render(deps: MailSenderDeps, mail: ClaimedMail): RenderedMail | string {
  try {
    const data: unknown = JSON.parse(
      deps.secretBox.open(mail.sealedData, sealContextOf(mail.kind, mail.recipient)),
    );
    return renderMail(composeMail(mail.kind, data), deps);
  } catch (error) {
    return `it cannot be read: ${error instanceof Error ? error.message : "unknown"}`;
  }
}

/** The same for each try, and nobody else's. */
function messageIdOf(mail: ClaimedMail, publicUrl: string): string {
  return `<mail-${mail.id}.${mail.createdAtMs}@${new URL(publicUrl).hostname}>`;
}

function pauseMs(first: number, max: number, exponent: number): number {
  return Math.min(max, first * 2 ** Math.min(exponent, 20));
}

function declareMetrics({ metrics, database }: MailSenderDeps) {
  const outcomes = new Counter({
    name: "entrepot_mail_deliveries_total",
    help: "Tries to send a mail, by what came of them: sent, refused (tried again), dead, late, trouble (the server could not be used).",
    labelNames: ["outcome"] as const,
    registers: [metrics],
  });
  new Gauge({
    name: "entrepot_mails",
    help: "Mails that are kept, by state.",
    labelNames: ["state"] as const,
    registers: [metrics],
    async collect() {
      const counts = await countMailsByState(database.read);
      for (const state of mailStates) this.set({ state }, counts[state]);
    },
  });
  return { outcomes };
}
