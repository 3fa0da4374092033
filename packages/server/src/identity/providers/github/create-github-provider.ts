import { createHash } from "node:crypto";
import { isObject } from "@entrepot/oci/json-object";
import { AppError } from "../../../lib/app-error.ts";
import { newSecret } from "../../../lib/ids.ts";
import type { IdentityDeps } from "../../identity-deps.ts";
import type { ProviderPerson, RedirectProvider } from "../provider.ts";
import { type AskProvider, createAskProvider, textIn } from "../provider-request.ts";
import type { GithubSettings } from "../provider-schema.ts";

const pageSize = 100;
const maxPages = 20;

/**
 * GitHub and GitHub Enterprise, by their OAuth web flow with PKCE
 * (https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps). Groups are "organization" and "organization/team" where the
 * membership is active. The account's number is the subject: names change hands.
 */
export function createGithubProvider(
  deps: Pick<IdentityDeps, "outgoing">,
  settings: GithubSettings,
  clientSecret: string | undefined,
): RedirectProvider {
  const ask = createAskProvider(deps.outgoing, settings);
  const web = (settings.url ?? "https://github.com").replace(/\/+$/, "");
  const api = (
    settings.apiUrl ?? (settings.url === undefined ? "https://api.github.com" : `${web}/api/v3`)
  ).replace(/\/+$/, "");

  async function exchange(
    callback: URL,
    verifier: string,
    redirectUri: string,
    signal: AbortSignal,
  ): Promise<string> {
    const form = {
      client_id: settings.clientId,
      client_secret: clientSecret ?? "",
      code: callback.searchParams.get("code") ?? "",
      redirect_uri: redirectUri,
      code_verifier: verifier,
    };
    const { json } = await ask(`${web}/login/oauth/access_token`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
      signal,
    });
    // Refusals come with status 200, too.
    const token = textIn(json, "access_token");
    if (token === undefined)
      throw new AppError("DENIED", "GitHub does not take this answer any more; start again");
    return token;
  }

  return {
    how: "redirect",
    canAskAnew: false,
    async begin({ redirectUri, state }) {
      const verifier = newSecret();
      const address = new URL(`${web}/login/oauth/authorize`);
      address.search = new URLSearchParams({
        client_id: settings.clientId,
        redirect_uri: redirectUri,
        scope: "read:user user:email read:org",
        state,
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      }).toString();
      return { address: address.href, kept: verifier };
    },
    async finish(callback, { state, kept, redirectUri, signal }) {
      if (callback.searchParams.get("state") !== state) {
        throw new AppError("DENIED", "the provider's answer is not for this sign-in");
      }
      if (callback.searchParams.has("error") || !callback.searchParams.has("code")) {
        throw new AppError("DENIED", "the provider did not let you in, or you turned back");
      }
      const token = await exchange(callback, kept, redirectUri, signal);
      const get = (path: string) => ask(`${api}${path}`, { headers: headersWith(token), signal });
      const user = await get("/user");
      const id = user.json["id"];
      const login = textIn(user.json, "login");
      if (user.status !== 200 || typeof id !== "number" || login === undefined) {
        throw new Error(`GitHub does not say who it is (${user.status})`);
      }
      const groups = await listGroups(get);
      checkOrganizations(settings, groups);
      const email = await primaryEmail(get);
      return {
        subject: String(id),
        username: login,
        email,
        isEmailVerified: email !== undefined,
        fullName: textIn(user.json, "name"),
        groups,
        methods: [],
      } satisfies ProviderPerson;
    },
    async probe(signal) {
      const { status } = await ask(`${api}/meta`, { signal });
      if (status !== 200) throw new Error(`GitHub's API answers ${status}`);
      return "GitHub's API answers";
    },
    signOutAddress: async () => undefined,
  };
}

type Get = (path: string) => ReturnType<AskProvider>;

function headersWith(token: string) {
  return {
    authorization: `Bearer ${token}`,
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
  };
}

/** The address that GitHub has verified and the account writes mail with. */
async function primaryEmail(get: Get): Promise<string | undefined> {
  const { status, list } = await get(`/user/emails?per_page=${pageSize}`);
  if (status !== 200) return undefined;
  const primary = list.find((one) => isObject(one) && one["primary"] === true && one["verified"] === true);
  return textIn(primary, "email");
}

async function listGroups(get: Get): Promise<readonly string[]> {
  const organizations = await listAll(get, "/user/memberships/orgs?state=active");
  const teams = await listAll(get, "/user/teams?");
  return [
    ...organizations.flatMap((one) => textIn(one, "organization", "login")?.toLowerCase() ?? []),
    ...teams.flatMap((one) => {
      const organization = textIn(one, "organization", "login");
      const slug = textIn(one, "slug");
      return organization === undefined || slug === undefined
        ? []
        : [`${organization}/${slug}`.toLowerCase()];
    }),
  ];
}

async function listAll(get: Get, path: string): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for (let page = 1; page <= maxPages; page++) {
    const { status, list } = await get(`${path}&per_page=${pageSize}&page=${page}`.replace("?&", "?"));
    if (status !== 200)
      throw new AppError("DENIED", "GitHub does not tell your organizations; let it read them");
    all.push(...list);
    if (list.length < pageSize) break;
  }
  return all;
}

function checkOrganizations(settings: GithubSettings, groups: readonly string[]): void {
  const { organizations } = settings;
  if (organizations === undefined || organizations.some((one) => groups.includes(one.toLowerCase()))) return;
  throw new AppError("DENIED", "this GitHub account is in none of the organizations that may sign in here");
}
