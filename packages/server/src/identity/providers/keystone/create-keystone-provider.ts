import { isObject } from "@entrepot/oci/json-object";
import { AppError } from "../../../lib/app-error.ts";
import type { IdentityDeps } from "../../identity-deps.ts";
import type { PasswordProvider, ProviderPerson } from "../provider.ts";
import { type AskProvider, createAskProvider, textIn } from "../provider-request.ts";
import type { KeystoneSettings } from "../provider-schema.ts";

/**
 * OpenStack Keystone, by a password authentication in one domain (https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-unscoped-authorization).
 * Groups are the user's groups by name, and with a project its roles there as "role:NAME". The token got is given back at once.
 */
export function createKeystoneProvider(
  deps: Pick<IdentityDeps, "outgoing">,
  settings: KeystoneSettings,
): PasswordProvider {
  const ask = createAskProvider(deps.outgoing, settings);
  const base = settings.url.replace(/\/+$/, "");
  const check = settings.version === 2 ? checkByVersion2 : checkByVersion3;
  return {
    how: "password",
    checkPassword: (username, password, signal) => check({ ask, base, settings, signal }, username, password),
    async probe(signal) {
      const version = settings.version === 2 ? "v2.0" : "v3";
      const { status } = await ask(`${base}/${version}`, { signal });
      if (status !== 200 && status !== 300)
        throw new Error(`the identity service answers ${status} for ${version}`);
      return `the identity service answers, and speaks ${version}`;
    },
    readDirectory: undefined,
  };
}

interface Keystone {
  readonly ask: AskProvider;
  readonly base: string;
  readonly settings: KeystoneSettings;
  readonly signal: AbortSignal;
}

async function checkByVersion3(
  keystone: Keystone,
  username: string,
  password: string,
): Promise<ProviderPerson | undefined> {
  const { ask, base, settings, signal } = keystone;
  const domain = { name: settings.domain ?? "Default" };
  const { project, projectDomain = domain.name } = settings;
  const scope =
    project === undefined ? "unscoped" : { project: { name: project, domain: { name: projectDomain } } };
  const auth = {
    identity: { methods: ["password"], password: { user: { name: username, domain, password } } },
    scope,
  };
  const reply = await ask(`${base}/v3/auth/tokens`, postJson({ auth }, signal));
  const token = reply.headers["x-subject-token"];
  const user = isObject(reply.json["token"]) ? reply.json["token"]["user"] : undefined;
  if (reply.status !== 201) return refuse(reply.status);
  const subject = textIn(user, "id");
  const name = textIn(user, "name");
  if (token === undefined || subject === undefined || name === undefined)
    throw new Error("the identity service made no sense");
  // Asked for one domain; an answer about another is none.
  if (textIn(user, "domain", "name") !== domain.name) return undefined;
  const headers = { "x-auth-token": token };
  try {
    const roles = namesIn(isObject(reply.json["token"]) ? reply.json["token"]["roles"] : undefined);
    const details = await ask(`${base}/v3/users/${encodeURIComponent(subject)}`, { headers, signal });
    const groups =
      settings.withGroups === true
        ? await ask(`${base}/v3/users/${encodeURIComponent(subject)}/groups`, { headers, signal })
        : undefined;
    if (groups !== undefined && groups.status !== 200) {
      throw new Error(`the identity service does not tell the user's groups (${groups.status})`);
    }
    const isSilent = groups === undefined && project === undefined;
    return {
      subject,
      username: name,
      // Users may not read themselves everywhere; then there is none.
      email: textIn(details.json, "user", "email"),
      isEmailVerified: false,
      fullName: undefined,
      groups: isSilent
        ? undefined
        : [...namesIn(groups?.json["groups"]), ...roles.map((role) => `role:${role}`)],
      methods: ["pwd"],
    };
  } finally {
    await ask(`${base}/v3/auth/tokens`, {
      method: "DELETE",
      headers: { ...headers, "x-subject-token": token },
      signal,
    }).catch(() => undefined);
  }
}

/** The version before, which has neither domains nor groups: https://docs.openstack.org/api-ref/identity/v2-admin/ */
async function checkByVersion2(
  { ask, base, settings, signal }: Keystone,
  username: string,
  password: string,
): Promise<ProviderPerson | undefined> {
  const tenant = settings.project === undefined ? {} : { tenantName: settings.project };
  const auth = { passwordCredentials: { username, password }, ...tenant };
  const reply = await ask(`${base}/v2.0/tokens`, postJson({ auth }, signal));
  if (reply.status !== 200) return refuse(reply.status);
  const user = isObject(reply.json["access"]) ? reply.json["access"]["user"] : undefined;
  const subject = textIn(user, "id");
  if (subject === undefined) throw new Error("the identity service made no sense");
  const roles = namesIn(isObject(user) ? user["roles"] : undefined);
  return {
    subject,
    username: textIn(user, "username") ?? username,
    email: textIn(user, "email"),
    isEmailVerified: false,
    fullName: textIn(user, "name"),
    groups: settings.project === undefined ? undefined : roles.map((role) => `role:${role}`),
    methods: ["pwd"],
  };
}

/** 401 is a wrong password, 403 a user who may not sign in, 400 a name or password that none could be; anything else is trouble. */
function refuse(status: number): undefined {
  if (status === 400 || status === 401 || status === 403) return undefined;
  throw new AppError("UNAVAILABLE", `the identity service answers ${status}`);
}

function postJson(body: unknown, signal: AbortSignal) {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body), signal } as const;
}

function namesIn(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((one) => textIn(one, "name") ?? []);
}
