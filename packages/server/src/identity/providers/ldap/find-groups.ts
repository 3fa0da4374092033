import type { Entry } from "ldapts";
import type { LdapSettings } from "../provider-schema.ts";
import { attributeNames, dnKey, valuesOf } from "./ldap-entry.ts";
import { anyEntry, groupsOfFilter, memberAttribute } from "./ldap-filters.ts";
import type { Directory } from "./open-directory.ts";

const defaultDepth = 5;
/** More groups than this of one person are a mistake, or an attack on us. */
const maxGroups = 2_000;
const membersPerSearch = 50;

/**
 * Every group that somebody is in, directly or through groups in groups as deep as the settings say; cycles end. Undefined when no groups are set up.
 * Throws when there are too many.
 */
export async function findGroups(
  directory: Directory,
  settings: LdapSettings,
  person: Entry,
): Promise<readonly string[] | undefined> {
  const { groups } = settings;
  if (groups === undefined) return undefined;
  const depth = groups.depth ?? defaultDepth;
  const found = new Set<string>();
  let next = await directGroups(directory, settings, person);
  for (let level = 0; next.length > 0; level++) {
    const fresh = next.filter((dn) => !found.has(dnKey(dn)));
    for (const dn of fresh) found.add(dnKey(dn));
    if (found.size > maxGroups) throw new Error(`somebody is in more than ${maxGroups} groups`);
    if (level >= depth) break;
    next = await groupsAbove(directory, settings, fresh);
  }
  return [...found];
}

async function directGroups(
  directory: Directory,
  settings: LdapSettings,
  person: Entry,
): Promise<readonly string[]> {
  const { groups } = settings;
  if (groups?.from === "user-attribute") return valuesOf(person, memberAttribute(settings));
  const member =
    groups?.holds === "username" ? valuesOf(person, attributeNames(settings).username) : [person.dn];
  return groupsWith(directory, settings, member);
}

/** Groups that these groups are members of. */
async function groupsAbove(
  directory: Directory,
  settings: LdapSettings,
  dns: readonly string[],
): Promise<readonly string[]> {
  if (settings.groups?.from !== "user-attribute") {
    // A group that names its members by user name has no groups among them.
    return settings.groups?.holds === "username" ? [] : groupsWith(directory, settings, dns);
  }
  const attribute = memberAttribute(settings);
  const above: string[] = [];
  for (const dn of dns) {
    const group = await directory.read(dn, anyEntry(), [attribute]);
    if (group !== undefined) above.push(...valuesOf(group, attribute));
  }
  return above;
}

async function groupsWith(
  directory: Directory,
  settings: LdapSettings,
  members: readonly string[],
): Promise<readonly string[]> {
  const bases = settings.groups?.bases ?? settings.userBases;
  const found: string[] = [];
  for (let start = 0; start < members.length; start += membersPerSearch) {
    const filter = groupsOfFilter(settings, members.slice(start, start + membersPerSearch));
    for await (const group of directory.search({ bases, filter, attributes: ["1.1"] })) {
      found.push(group.dn);
      if (found.length > maxGroups) throw new Error(`somebody is in more than ${maxGroups} groups`);
    }
  }
  return found;
}
