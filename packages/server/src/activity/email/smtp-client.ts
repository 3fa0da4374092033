import { AppError } from "../../lib/app-error.ts";
import type { RenderedMail } from "./mail-content.ts";

/** How the mail server is reached. */
export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** 'starttls': upgrade or do not send; 'implicit': TLS from the first byte; 'none': in clear. */
  readonly tls: "starttls" | "implicit" | "none";
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** PEM; undefined = the system's authorities. */
  readonly certificateAuthority: string | undefined;
  /** Sender of every mail: "a@b.org" or "Name <a@b.org>". */
  readonly from: string;
}

export interface OutgoingMail extends RenderedMail {
  readonly to: string;
  /** The same for every try, so that a mail that arrives twice is shown once. */
  readonly messageId: string;
}

/**
 * - `sent`: the server has taken it and answers for it;
 * - `refused`: the server will not have this mail, for good or for now;
 * - `trouble`: the server was not reached, or did not let us in; any other mail would fare the same.
 */
export type Delivery =
  | { readonly kind: "sent"; readonly reply: string }
  | { readonly kind: "refused"; readonly isForGood: boolean; readonly reason: string }
  | { readonly kind: "trouble"; readonly reason: string };

export interface SmtpClient {
  /** Never throws for what a server can do. Every wait has a limit, half a minute in all for each. */
  send(mail: OutgoingMail): Promise<Delivery>;
  /** Ends the connection. */
  close(): void;
}

const connectTimeoutMs = 10_000;
const socketTimeoutMs = 30_000;
const maxReasonLength = 300;

/** One connection, opened by the first mail and kept for those that follow. */
export async function openSmtpClient(settings: SmtpSettings): Promise<SmtpClient> {
  const { createTransport } = await import("nodemailer");
  const { host, port, tls, user, password, certificateAuthority, from } = settings;
  const transport = createTransport({
    pool: true,
    maxConnections: 1,
    host,
    port,
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    tls: {
      minVersion: "TLSv1.2",
      ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
    },
    ...(user === undefined ? {} : { auth: { user, pass: password ?? "" } }),
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    dnsTimeout: connectTimeoutMs,
    socketTimeout: socketTimeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail) {
      try {
        const { response } = await transport.sendMail({
          from,
          // As an object: an address is never parsed out of a text again.
          to: { name: "", address: mail.to },
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          messageId: mail.messageId,
          // RFC 3834: no out-of-office replies to a program.
          headers: { "Auto-Submitted": "auto-generated" },
        });
        return { kind: "sent", reply: shorten(response) };
      } catch (error) {
        return judge(error);
      }
    },
    close: () => transport.close(),
  };
}

/** A mail is refused in the answer to RCPT or DATA; all else, our sender address included, is the matter of the server or of the settings. */
function judge(error: unknown): Delivery {
  if (!(error instanceof Error)) throw new AppError("INTERNAL", "sending a mail failed", { cause: error });
  const reason = shorten(error.message);
  const code = "code" in error ? error.code : undefined;
  const command = "command" in error ? error.command : undefined;
  const isOfMail =
    (code === "EENVELOPE" || code === "EMESSAGE") && command !== "MAIL FROM" && command !== "API";
  if (!isOfMail) return { kind: "trouble", reason };
  const isForGood = "permanent" in error && error.permanent === true;
  return { kind: "refused", isForGood, reason };
}

function shorten(text: string): string {
  return text.replace(/[\p{Cc}]+/gu, " ").slice(0, maxReasonLength);
}
