import type { Entry } from "ldapts";
import type { DirectoryAnswer, DirectoryQuestion, ProviderPerson } from "../provider.ts";
import type { LdapSettings } from "../provider-schema.ts";
import { attributeNames, dnKey, toPerson, valuesOf } from "./ldap-entry.ts";
import { anyEntry, groupFilter, memberAttribute, personFilter } from "./ldap-filters.ts";
import type { Directory } from "./open-directory.ts";

const defaultDepth = 5;
/** Of one pass: groups in groups, and members that are neither people nor groups. */
const maxLookUps = 20_000;

/**
 * One pass over the directory: everybody who may sign in (by pages, whatever their number), and from each group asked for down through the groups in it.
 * People whom nobody asked for are forgotten at once, so that memory grows with our users and not with the directory.
 */
export async function readLdapDirectory(
  directory: Directory,
  settings: LdapSettings,
  { known, groups }: DirectoryQuestion,
  signal: AbortSignal,
): Promise<DirectoryAnswer> {
  await directory.bindAsSearcher();
  const fromUsers = settings.groups?.from === "user-attribute";
  const members =
    settings.groups === undefined || fromUsers
      ? { of: new Map<string, Set<string>>(), missing: [] }
      : await readMembers(directory, settings, groups, signal);
  const above = createAbove(directory, settings, groups);
  const subjects = new Set(known.map(({ subject }) => subject));
  const byUsername = settings.groups?.holds === "username";
  const names = attributeNames(settings);
  const attributes = [...Object.values(names), ...(fromUsers ? [memberAttribute(settings)] : [])];
  const people: ProviderPerson[] = [];
  const question = { bases: settings.userBases, filter: personFilter(settings), attributes };
  for await (const entry of directory.search(question)) {
    signal.throwIfAborted();
    const person = toPerson(settings, entry, undefined);
    if (person === undefined) continue;
    const key = byUsername ? person.username : dnKey(entry.dn);
    const inGroups = fromUsers
      ? await above(valuesOf(entry, memberAttribute(settings)))
      : members.of.get(key);
    const mine = [...(inGroups ?? [])];
    if (mine.length === 0 && !subjects.has(person.subject)) continue;
    people.push({ ...person, groups: settings.groups === undefined ? undefined : mine });
  }
  return { people, missingGroups: members.missing };
}

/** Whom each group asked for holds, by DN or user name, and which of the groups are not there. */
async function readMembers(
  directory: Directory,
  settings: LdapSettings,
  groups: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly of: Map<string, Set<string>>; readonly missing: readonly string[] }> {
  const depth = settings.groups?.depth ?? defaultDepth;
  const byUsername = settings.groups?.holds === "username";
  // Undefined = no group, so a person or something that does not concern us.
  const looked = new Map<string, readonly string[] | undefined>();
  const membersOf = async (dn: string): Promise<readonly string[] | undefined> => {
    const key = dnKey(dn);
    if (!looked.has(key)) {
      signal.throwIfAborted();
      if (looked.size >= maxLookUps)
        throw new Error(`the groups have more than ${maxLookUps} members to look up`);
      looked.set(key, await readGroup(directory, settings, dn));
    }
    return looked.get(key);
  };
  const of = new Map<string, Set<string>>();
  const missing: string[] = [];
  for (const group of groups) {
    const seen = new Set([dnKey(group)]);
    let level = await membersOf(group);
    if (level === undefined) {
      missing.push(group);
      continue;
    }
    for (let deep = 0; level.length > 0; deep++) {
      const below: string[] = [];
      for (const member of level) {
        const key = byUsername ? member : dnKey(member);
        if (seen.has(key)) continue;
        seen.add(key);
        of.set(key, (of.get(key) ?? new Set()).add(group));
        if (!byUsername && deep < depth) below.push(...((await membersOf(member)) ?? []));
      }
      level = below;
    }
  }
  return { of, missing };
}

/** The members that a group names; undefined when there is no such group. */
async function readGroup(
  directory: Directory,
  settings: LdapSettings,
  dn: string,
): Promise<readonly string[] | undefined> {
  const attribute = memberAttribute(settings);
  const group = await directory.read(dn, groupFilter(settings), [attribute]);
  if (group === undefined) return undefined;
  const members = [...valuesOf(group, attribute)];
  // Active Directory gives at most 1,500 values at once and the rest by ranges (MS-ADTS, 3.1.1.3.1.3.3).
  let part = rangeOf(group, attribute);
  while (part !== undefined) {
    members.push(...part.values);
    if (part.next === undefined) break;
    const more = await directory.read(dn, groupFilter(settings), [`${attribute};range=${part.next}-*`]);
    part = more === undefined ? undefined : rangeOf(more, attribute);
  }
  return members;
}

function rangeOf(
  entry: Entry,
  attribute: string,
): { readonly values: readonly string[]; readonly next: number | undefined } | undefined {
  const prefix = `${attribute.toLowerCase()};range=`;
  const name = Object.keys(entry).find((key) => key.toLowerCase().startsWith(prefix));
  if (name === undefined) return undefined;
  const last = name.slice(prefix.length).split("-")[1];
  const next = last === undefined || last === "*" ? undefined : Number(last) + 1;
  return { values: valuesOf(entry, name), next: Number.isSafeInteger(next) ? next : undefined };
}

/** Which of the groups asked for are above those that a person's attribute names, these included; each group is read once a pass. */
function createAbove(
  directory: Directory,
  settings: LdapSettings,
  groups: readonly string[],
): (direct: readonly string[]) => Promise<ReadonlySet<string>> {
  const wanted = new Set(groups);
  const depth = settings.groups?.depth ?? defaultDepth;
  const attribute = memberAttribute(settings);
  const parents = new Map<string, readonly string[]>();
  const parentsOf = async (dn: string): Promise<readonly string[]> => {
    const key = dnKey(dn);
    const before = parents.get(key);
    if (before !== undefined) return before;
    if (parents.size >= maxLookUps) throw new Error(`there are more than ${maxLookUps} groups to look up`);
    const entry = await directory.read(dn, anyEntry(), [attribute]);
    const found = entry === undefined ? [] : valuesOf(entry, attribute);
    parents.set(key, found);
    return found;
  };
  return async (direct) => {
    const seen = new Set<string>();
    let level = direct;
    for (let deep = 0; level.length > 0; deep++) {
      const next: string[] = [];
      for (const dn of level) {
        const key = dnKey(dn);
        if (seen.has(key)) continue;
        seen.add(key);
        if (deep < depth) next.push(...(await parentsOf(dn)));
      }
      level = next;
    }
    return new Set([...seen].filter((key) => wanted.has(key)));
  };
}
