import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerSession } from "smtp-server";
import type { SmtpSettings } from "../smtp-client.ts";

/** A mail that arrived: its envelope, its bytes, and what a mail program makes of them. */
export interface ReceivedMail {
  readonly envelopeFrom: string;
  readonly envelopeTo: readonly string[];
  readonly user: string | undefined;
  readonly isTls: boolean;
  readonly raw: string;
  readonly parsed: Email;
}

/** A real SMTP server on this machine, with TLS and sign-in. */
export interface TestMailServer {
  readonly settings: SmtpSettings;
  readonly received: ReceivedMail[];
  /** What RCPT is answered; undefined = taken. */
  refuse:
    | ((recipient: string) => { readonly code: number; readonly message: string } | undefined)
    | undefined;
  stop(): Promise<void>;
}

export const mailUser = { user: "mailer", password: "only for the mail server" } as const;
export const sender = "Entrepôt <registry@example.org>";

/** Starts it; it is stopped when the test ends. With `tls` "none" it offers neither TLS nor sign-in. */
export async function startMailServer(
  t: TestContext,
  options: { readonly tls?: SmtpSettings["tls"]; readonly port?: number } = {},
): Promise<TestMailServer> {
  const tls = options.tls ?? "starttls";
  const certificate = await newCertificate(t);
  const received: ReceivedMail[] = [];
  const self: { refuse: TestMailServer["refuse"] } = { refuse: undefined };

  async function take(bytes: Buffer, session: SMTPServerSession, done: () => void): Promise<void> {
    const { mailFrom, rcptTo } = session.envelope;
    received.push({
      envelopeFrom: mailFrom === false ? "" : mailFrom.address,
      envelopeTo: rcptTo.map((recipient) => recipient.address),
      user: typeof session.user === "string" ? session.user : undefined,
      isTls: session.secure,
      raw: bytes.toString("latin1"),
      parsed: await PostalMime.parse(bytes),
    });
    done();
  }

  const server = new SMTPServer({
    key: certificate.key,
    cert: certificate.certificate,
    secure: tls === "implicit",
    authOptional: tls === "none",
    disabledCommands: tls === "none" ? ["STARTTLS", "AUTH"] : [],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onAuth(auth, _session, done) {
      const isRight = auth.username === mailUser.user && auth.password === mailUser.password;
      if (isRight) done(null, { user: mailUser.user });
      else done(new Error("Invalid username or password"));
    },
    onRcptTo(address, _session, done) {
      const refusal = self.refuse?.(address.address);
      if (refusal === undefined) done();
      else done(Object.assign(new Error(refusal.message), { responseCode: refusal.code }));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => void take(Buffer.concat(chunks), session, done));
    },
  });
  server.on("error", () => undefined);
  const listening = server.listen(options.port ?? 0, "127.0.0.1");
  if (!listening.listening) await once(listening, "listening");
  const { port } = listening.address() as AddressInfo; // as: a TCP server that listens
  const stop = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  t.after(stop);
  return Object.assign(self, {
    received,
    stop,
    settings: {
      host: "localhost",
      port,
      tls,
      certificateAuthority: certificate.certificate,
      from: sender,
      user: tls === "none" ? undefined : mailUser.user,
      password: tls === "none" ? undefined : mailUser.password,
    },
  });
}

async function newCertificate(
  t: TestContext,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-mail-"));
  t.after(() => rm(folder, { recursive: true }));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const run = promisify(execFile);
  await run("openssl", ["req", "-x509", "-nodes", ...curve, ...subject, "-keyout", key, "-out", certificate]);
  return { certificate: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") };
}
