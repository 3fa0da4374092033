import { domainToASCII } from "node:url";

/** An address that one mail can be sent to, in the one form in which it is stored and compared: lower case, the domain in ASCII. */
export type EmailAddress = string & { readonly __brand: "EmailAddress" };

const maxLength = 254; // RFC 5321, 4.5.3.1.3, without the angle brackets
const maxLocalLength = 64; // RFC 5321, 4.5.3.1.1
// RFC 5322, 3.2.3: a dot-atom. Quoted local parts exist on paper only, and are how headers are smuggled.
const localGrammar = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const labelGrammar = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Undefined for what is no address. Surrounding spaces are dropped. The local part is put into lower case, too: no provider of our days gives "Ann" and "ann" to
 * two people, and two accounts that look alike would be worse.
 */
export function tryParseEmailAddress(text: string): EmailAddress | undefined {
  const trimmed = text.trim();
  const at = trimmed.lastIndexOf("@");
  if (at < 1 || trimmed.length > maxLength) return undefined;
  const local = trimmed.slice(0, at).toLowerCase();
  const domain = domainToASCII(trimmed.slice(at + 1)).toLowerCase();
  const labels = domain.split(".");
  const isDomain =
    labels.length >= 2 &&
    labels.every((label) => labelGrammar.test(label)) &&
    !/^[0-9]+$/.test(labels.at(-1) ?? "");
  if (local.length > maxLocalLength || !localGrammar.test(local) || !isDomain) return undefined;
  const address = `${local}@${domain}`;
  return address.length > maxLength ? undefined : (address as EmailAddress); // as: the grammar above
}

/** The part behind the @. */
export function domainOf(address: EmailAddress): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
