import { readFileSync } from "node:fs";
import { tryParseEmailAddress } from "../lib/email-address.ts";
import { SettingError } from "./setting-error.ts";
import { choiceSetting, numberSetting, type Setting, textSetting } from "./settings.ts";

/** How mail goes out. */
export const emailSettings = {
  smtpHost: textSetting({
    key: "smtp.host",
    variable: "ENTREPOT_SMTP_HOST",
    defaultValue: undefined,
    defaultText: "none: mails stay queued",
    description:
      "Mail server that takes the registry's mail (sign-up, password reset, notices). Needs `smtp.from` and `publicUrl`, where links in mails lead.",
  }),
  smtpPort: numberSetting({
    key: "smtp.port",
    variable: "ENTREPOT_SMTP_PORT",
    defaultValue: 587,
    min: 1,
    max: 65_535,
    description: "Port of the mail server; usually 587 with `starttls`, 465 with `implicit`.",
  }),
  smtpTls: choiceSetting({
    key: "smtp.tls",
    variable: "ENTREPOT_SMTP_TLS",
    choices: ["starttls", "implicit", "none"],
    defaultValue: "starttls",
    description:
      "`starttls`: upgrade the connection or do not send; `implicit`: TLS from the first byte; `none`: in clear, for a relay on the same machine or network. A user and password are never sent in clear.",
  }),
  smtpCa: textSetting({
    key: "smtp.ca",
    variable: "ENTREPOT_SMTP_CA",
    defaultValue: undefined,
    defaultText: "the system's authorities",
    description: "PEM file with the certificate authority of the mail server, when it is one of your own.",
  }),
  smtpUser: textSetting({
    key: "smtp.user",
    variable: "ENTREPOT_SMTP_USER",
    defaultValue: undefined,
    defaultText: "none: no sign-in",
    description: "User to sign in to the mail server with.",
  }),
  smtpPassword: textSetting({
    key: "smtp.password",
    variable: "ENTREPOT_SMTP_PASSWORD",
    defaultValue: undefined,
    isSecret: true,
    description: "Password of `smtp.user`.",
  }),
  smtpFrom: senderSetting({
    key: "smtp.from",
    variable: "ENTREPOT_SMTP_FROM",
    description: "Sender of every mail: `registry@example.org`, or `Registry <registry@example.org>`.",
  }),
} as const;

type EmailSettings = {
  readonly [K in keyof typeof emailSettings]: (typeof emailSettings)[K] extends Setting<infer T> ? T : never;
};

/** What is wrong with the settings together; one sentence each. */
export function emailProblems(
  settings: EmailSettings & { readonly publicUrl: string | undefined },
): readonly string[] {
  const { smtpHost, smtpFrom, smtpTls, smtpUser, smtpPassword, publicUrl } = settings;
  if (smtpHost === undefined) return [];
  return [
    ...(smtpFrom === undefined ? ["smtp.host needs smtp.from, the sender of mails"] : []),
    ...(publicUrl === undefined ? ["smtp.host needs publicUrl, where links in mails lead"] : []),
    ...((smtpUser === undefined) === (smtpPassword === undefined)
      ? []
      : ["smtp.user and smtp.password go together: one is set, the other is not"]),
    ...(smtpTls === "none" && smtpUser !== undefined
      ? ["smtp.tls is none: smtp.user and smtp.password would travel in clear"]
      : []),
  ];
}

/** The mail server to use; undefined when none is configured. Throws when the file of `smtp.ca` cannot be read. */
export function smtpOf(settings: EmailSettings) {
  const { smtpHost, smtpFrom, smtpCa } = settings;
  if (smtpHost === undefined || smtpFrom === undefined) return undefined;
  return {
    host: smtpHost,
    port: settings.smtpPort,
    tls: settings.smtpTls,
    user: settings.smtpUser,
    password: settings.smtpPassword,
    certificateAuthority: smtpCa === undefined ? undefined : readFileSync(smtpCa, "utf8"),
    from: smtpFrom,
  };
}

function senderSetting(
  options: Pick<Setting<unknown>, "key" | "variable" | "description">,
): Setting<string | undefined> {
  const text = textSetting({ ...options, defaultValue: undefined, defaultText: "none" });
  return {
    ...text,
    form: "`address` or `Name <address>`",
    parse(value) {
      const parsed = text.parse(value) ?? "";
      const [, name, address = parsed] = /^([^<>"]*)<([^<>]+)>$/.exec(parsed) ?? [];
      const checked = tryParseEmailAddress(address);
      if (checked === undefined) throw new SettingError("must be an address such as registry@example.org");
      return name === undefined ? checked : `"${name.trim().replace(/[\\"]/g, "")}" <${checked}>`;
    },
  };
}
