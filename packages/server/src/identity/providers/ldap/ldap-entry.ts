import type { Entry } from "ldapts";
import type { ProviderPerson } from "../provider.ts";
import { groupKey } from "../provider.ts";
import type { LdapSettings } from "../provider-schema.ts";

/** Values of an attribute, whatever case the server writes its name in; bytes as hexadecimal. */
export function valuesOf(entry: Entry, attribute: string): readonly string[] {
  const wanted = attribute.toLowerCase();
  const name = Object.keys(entry).find((key) => key.toLowerCase() === wanted);
  const value = name === undefined ? undefined : entry[name];
  if (value === undefined) return [];
  const all = Array.isArray(value) ? value : [value];
  return all.map((one) => (Buffer.isBuffer(one) ? one.toString("hex") : one)).filter((one) => one !== "");
}

/** How a DN is compared. */
export function dnKey(dn: string): string {
  return groupKey("ldap", dn);
}

export interface LdapNames {
  readonly username: string;
  readonly subject: string;
  readonly email: string;
  readonly fullName: string;
}

export function attributeNames(settings: LdapSettings): LdapNames {
  return {
    username: settings.usernameAttribute ?? "uid",
    subject: settings.subjectAttribute ?? "entryUUID",
    email: settings.emailAttribute ?? "mail",
    fullName: settings.nameAttribute ?? "cn",
  };
}

/** Undefined for an entry without a name or a subject: it cannot be told from others for good. */
export function toPerson(
  settings: LdapSettings,
  entry: Entry,
  groups: readonly string[] | undefined,
): ProviderPerson | undefined {
  const names = attributeNames(settings);
  const [username] = valuesOf(entry, names.username);
  const [subject] = valuesOf(entry, names.subject);
  if (username === undefined || subject === undefined) return undefined;
  return {
    subject,
    username,
    email: valuesOf(entry, names.email)[0],
    // Many directories let people write their own address.
    isEmailVerified: false,
    fullName: valuesOf(entry, names.fullName)[0],
    groups,
    methods: ["pwd"],
  };
}
