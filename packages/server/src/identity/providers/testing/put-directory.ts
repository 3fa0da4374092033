import { administrator, basic, password, sendJson, type TestIdentity } from "../../testing/start-identity.ts";
import { groups, people, searcher, type TestDirectory } from "./start-slapd.ts";

export interface DirectoryOptions {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly isEnabled?: boolean;
}

/** The provider that `putDirectory` makes. */
export const corp = "/api/v1/sign-in-providers/corp";

/** Sets a directory up as a provider, as its administrator would. */
export async function putDirectory(
  instance: TestIdentity,
  directory: TestDirectory,
  options: DirectoryOptions = {},
): Promise<Response> {
  return sendJson(instance, "PUT", corp, basic(administrator, password), {
    kind: "ldap",
    isEnabled: options.isEnabled ?? true,
    settings: {
      url: directory.url,
      startTls: true,
      caCertificate: directory.caCertificate,
      bindDn: searcher.bindDn,
      userBases: [people],
      userFilter: "(objectClass=inetOrgPerson)",
      groups: { from: "group-entries", bases: [groups] },
      timeoutSeconds: 20,
      ...options.settings,
    },
    policy: options.policy ?? {},
    secrets: { bindPassword: searcher.bindPassword },
  });
}
