import type { Entry } from "ldapts";
import type { PasswordProvider } from "../provider.ts";
import type { LdapSettings } from "../provider-schema.ts";
import { findGroups } from "./find-groups.ts";
import { attributeNames, toPerson } from "./ldap-entry.ts";
import { anyEntry, groupFilter, memberAttribute, namedFilter, personFilter } from "./ldap-filters.ts";
import { type Directory, withDirectory } from "./open-directory.ts";
import { readLdapDirectory } from "./read-ldap-directory.ts";

/**
 * A directory by LDAP. Somebody signs in: the searcher finds the one entry with the name that the filter lets in, the entry's own bind checks the
 * password, and the searcher looks up its groups. Two entries with the name are nobody.
 */
export function createLdapProvider(
  settings: LdapSettings,
  bindPassword: string | undefined,
): PasswordProvider {
  const run = <T>(signal: AbortSignal, work: (directory: Directory) => Promise<T>) =>
    withDirectory(settings, bindPassword, signal, work);
  return {
    how: "password",
    checkPassword: (username, password, signal) =>
      run(signal, async (directory) => {
        await directory.bindAsSearcher();
        const entry = await findEntry(directory, settings, username);
        // Nobody's password is tried, too: who is there is not told by the time it takes.
        const dn = entry?.dn ?? `cn=nobody-of-this-name,${settings.userBases[0] ?? ""}`;
        if (!(await directory.bind(dn, password)) || entry === undefined) return undefined;
        await directory.bindAsSearcher();
        return toPerson(settings, entry, await findGroups(directory, settings, entry));
      }),
    probe: (signal) =>
      run(signal, async (directory) => {
        await directory.bindAsSearcher();
        const bases = [...settings.userBases, ...(settings.groups?.bases ?? [])];
        for (const base of bases) {
          if ((await directory.read(base, anyEntry(), ["1.1"])) === undefined) {
            throw new Error(`the directory has no entry ${base}, or the searcher may not read it`);
          }
        }
        const people = await hasAny(directory, settings.userBases, personFilter(settings));
        if (!people) throw new Error("the directory answers, but the filter lets nobody in");
        const groups = settings.groups;
        if (groups?.from === "group-entries") {
          const found = await hasAny(directory, groups.bases ?? settings.userBases, groupFilter(settings));
          if (!found)
            throw new Error("the directory answers, but there are no groups where they are looked for");
        }
        return "the directory answers, and there are people in it who may sign in";
      }),
    readDirectory: (question, signal) =>
      run(signal, (directory) => readLdapDirectory(directory, settings, question, signal)),
  };
}

async function findEntry(
  directory: Directory,
  settings: LdapSettings,
  username: string,
): Promise<Entry | undefined> {
  const fromUsers = settings.groups?.from === "user-attribute";
  const attributes = [
    ...Object.values(attributeNames(settings)),
    ...(fromUsers ? [memberAttribute(settings)] : []),
  ];
  const found: Entry[] = [];
  const question = {
    bases: settings.userBases,
    filter: namedFilter(settings, username),
    attributes,
    limit: 2,
  };
  for await (const entry of directory.search(question)) found.push(entry);
  return found.length === 1 ? found[0] : undefined;
}

async function hasAny(
  directory: Directory,
  bases: readonly string[],
  filter: ReturnType<typeof personFilter>,
): Promise<boolean> {
  for await (const _ of directory.search({ bases, filter, attributes: ["1.1"], limit: 1 })) return true;
  return false;
}
