import { AndFilter, EqualityFilter, type Filter, FilterParser, OrFilter, PresenceFilter } from "ldapts";
import type { LdapSettings } from "../provider-schema.ts";

/*
 * Filters are put together from objects and sent as such: what somebody types is only ever the value of an equality, whatever stars and brackets are
 * in it. Only an administrator's own filters are parsed from text.
 */

/** Who may sign in. Throws an `Error` when the administrator's filter is none. */
export function personFilter(settings: LdapSettings): Filter {
  return FilterParser.parseString(settings.userFilter ?? "(objectClass=person)");
}

export function namedFilter(settings: LdapSettings, username: string): Filter {
  const attribute = settings.usernameAttribute ?? "uid";
  return new AndFilter({
    filters: [personFilter(settings), new EqualityFilter({ attribute, value: username })],
  });
}

/** Every entry. */
export function anyEntry(): Filter {
  return new PresenceFilter({ attribute: "objectClass" });
}

/** Which entries are groups. */
export function groupFilter(settings: LdapSettings): Filter {
  const filter = settings.groups?.filter;
  return filter === undefined
    ? new PresenceFilter({ attribute: memberAttribute(settings) })
    : FilterParser.parseString(filter);
}

/** Groups that have any of these among their members. */
export function groupsOfFilter(settings: LdapSettings, members: readonly string[]): Filter {
  const attribute = memberAttribute(settings);
  const anyOf = members.map((value) => new EqualityFilter({ attribute, value }));
  return new AndFilter({ filters: [groupFilter(settings), new OrFilter({ filters: anyOf })] });
}

export function memberAttribute(settings: LdapSettings): string {
  const { groups } = settings;
  return groups?.attribute ?? (groups?.from === "user-attribute" ? "memberOf" : "member");
}
