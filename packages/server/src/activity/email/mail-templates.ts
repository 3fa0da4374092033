import { isObject } from "@entrepot/oci/json-object";
import type { MailContent } from "./mail-content.ts";

/** Everything the registry writes to people, by kind, with what each needs to know. */
export interface MailData {
  /** Whoever asked for an account follows the link, and has it. */
  readonly "sign-up": { readonly username: string; readonly path: string; readonly hours: number };
  /** Somebody asked for an account with an address that has one. */
  readonly "sign-up-known-address": { readonly username: string };
  /** Somebody asked for an account of a name that another has. */
  readonly "sign-up-name-taken": { readonly username: string };
  readonly "password-reset": { readonly username: string; readonly path: string; readonly minutes: number };
  /** Asked for by somebody who signs in without a password of ours. */
  readonly "password-reset-elsewhere": { readonly username: string };
  readonly "email-change": { readonly username: string; readonly path: string; readonly hours: number };
  /** Somebody signed in from where the owner of the account never did. */
  readonly "new-network": {
    readonly username: string;
    readonly address: string;
    /** What it called itself; undefined = it is not known. */
    readonly program?: string | undefined;
    /** ISO 8601, UTC. */
    readonly at: string;
  };
  /** Whatever else people must be told: changes of their account, invitations, alerts. */
  readonly notice: {
    readonly title: string;
    readonly lines: readonly string[];
    readonly link?: { readonly label: string; readonly path: string } | undefined;
    readonly footnote?: string | undefined;
  };
  /** Asked for by an operator who wants to see that mail works. */
  readonly test: { readonly requestedBy: string };
}
export type MailKind = keyof MailData;

type Templates = { readonly [K in MailKind]: (data: MailData[K]) => MailContent };

const notYou = "If you did not ask for this, do nothing: without the link nothing happens.";

const templates: Templates = {
  "sign-up": ({ username, path, hours }) => ({
    subject: "Confirm your e-mail address",
    paragraphs: [
      `Somebody, probably you, asked for the account ${username} with this e-mail address.`,
      `It can be used as soon as you confirm the address. The link works once and for ${hours} hours.`,
    ],
    action: { label: "Confirm the address", path },
    footnote: notYou,
  }),
  "sign-up-known-address": ({ username }) => ({
    subject: "You have an account already",
    paragraphs: [
      `Somebody, probably you, asked for an account with this e-mail address. It belongs to the account ${username}.`,
      "Sign in with it. If you forgot the password, ask for a new one on the sign-in page.",
    ],
    footnote: "If it was not you, nothing has changed and there is nothing to do.",
  }),
  "sign-up-name-taken": ({ username }) => ({
    subject: "This user name is taken",
    paragraphs: [
      `Somebody, probably you, asked for the account ${username} with this e-mail address. The name is taken.`,
      "Please sign up again with another name.",
    ],
    footnote: "If it was not you, there is nothing to do.",
  }),
  "password-reset": ({ username, path, minutes }) => ({
    subject: "Choose a new password",
    paragraphs: [
      `Somebody, probably you, asked for a new password for the account ${username}.`,
      `The link works once and for ${minutes} minutes. The new password ends everything that was signed in with the old one.`,
    ],
    action: { label: "Choose a new password", path },
    footnote: notYou,
  }),
  "password-reset-elsewhere": ({ username }) => ({
    subject: "Your account has no password here",
    paragraphs: [
      `Somebody, probably you, asked for a new password for the account ${username}.`,
      "It has none here: sign in the way you always do, through your organization. A forgotten password is changed there.",
    ],
    footnote: "If it was not you, nothing has changed and there is nothing to do.",
  }),
  "email-change": ({ username, path, hours }) => ({
    subject: "Confirm your new e-mail address",
    paragraphs: [
      `The account ${username} is to have this e-mail address.`,
      `Confirm that it is yours. The link works once and for ${hours} hours.`,
    ],
    action: { label: "Confirm the address", path },
    footnote: notYou,
  }),
  "new-network": ({ username, address, program, at }) => ({
    subject: "Your account was signed in to from a new place",
    paragraphs: [
      `The account ${username} was signed in to from the address ${address}, at ${at}, from where it never was before.`,
      ...(program === undefined ? [] : [`The program called itself: ${program}`]),
      "If this was you, there is nothing to do. Addresses change when you travel or your provider renews them.",
    ],
    footnote:
      "If this was not you, change your password at once, which ends everything that was signed in with it, and tell your administrator.",
  }),
  notice: ({ title, lines, link, footnote }) => ({
    subject: title,
    paragraphs: lines,
    action: link,
    footnote,
  }),
  test: ({ requestedBy }) => ({
    subject: "Mail works",
    paragraphs: [
      `${requestedBy} asked the registry for this mail, to see that it arrives. It does. Grüße, dumelang, 你好.`,
    ],
  }),
};

/** The content of a mail that was queued, by this version or another. Throws an `Error` for a kind that this version does not know. */
export function composeMail(kind: string, data: unknown): MailContent {
  if (!Object.hasOwn(templates, kind) || !isObject(data)) {
    throw new Error(`this version knows no mail of the kind ${JSON.stringify(kind)}`);
  }
  // as: `queue` stored it with just this kind; its data was checked where it was written.
  const template = templates[kind as MailKind] as (data: unknown) => MailContent;
  return template(data);
}
