import { formatScopes, parseScopes } from "@entrepot/oci/scope";
import type { Actor } from "../../access/actor.ts";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { namedIn, type SignInSite } from "../decision-points/sign-in-outside.ts";
import { elevateActor } from "../elevations/elevate-actor.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { parseBasic } from "../sign-in/authenticate.ts";
import { verifyAnywhere } from "../sign-in/verify-anywhere.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { type IssuedToken, issueRefreshToken, issueToken } from "./issue-token.ts";
import { noteRefusal, noteToken } from "./note-token.ts";
import { redeemRefreshToken } from "./redeem-refresh-token.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { TokenForm } from "./token-schema.ts";

const noStore = { "cache-control": "no-store" };

/** Docker's token specification: by GET with Basic or nobody's credentials, and by OAuth2 POST; and the keys that verify the tokens. */
export function tokenEndpoints(
  deps: IdentityDeps,
  keys: SigningKeys,
  secrets: SecretVerifier,
): readonly Endpoint[] {
  const jwks = async () => ({ status: 200, body: { kind: "json", value: await keys.jwks() } }) as const;

  async function byGet(call: Call, request: Request): Promise<Reply> {
    const { query } = request;
    checkService(deps, query.get("service") ?? undefined);
    checkAccount(call.actor, query.get("account"), request.headers.authorization);
    // A client may repeat `scope`, or put several into one; together they are as many as one request may ask for.
    const requested = parseScopes(query.getAll("scope").join(" "));
    const issued = await issueToken(deps, keys, call.actor, requested);
    noteToken(deps, call, { requested, issued, how: "token.issue" });
    const wantsRefresh = query.get("offline_token") === "true";
    const refresh = wantsRefresh
      ? await issueRefreshToken(deps, call.actor, query.get("client_id") ?? "")
      : undefined;
    return reply({
      token: issued.token,
      ...shape(issued),
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    });
  }

  async function byPost(call: Call, request: Request): Promise<Reply> {
    const form = request.body as TokenForm; // as: checked against `body` before
    checkService(deps, form.service);
    const requested = parseScopes(form.scope ?? "");
    const site = {
      remoteAddress: request.remoteAddress,
      userAgent: request.headers["user-agent"],
      repositories: namedIn(requested),
    };
    const signedIn = await identify(form, site).catch((error: unknown) => {
      noteRefusal(deps, call, form, error);
      throw error;
    });
    const actor = await elevateActor(deps, signedIn);
    const issued = await issueToken(deps, keys, actor, requested);
    const how = form.grant_type === "refresh_token" ? "token.refresh" : "token.issue";
    noteToken(deps, { actor, client: call.client, requestId: call.requestId }, { requested, issued, how });
    const refresh =
      form.grant_type === "refresh_token"
        ? form.refresh_token
        : form.access_type === "offline"
          ? await issueRefreshToken(deps, actor, form.client_id ?? "")
          : undefined;
    call.log.debug({ actor: actor.username }, "token issued");
    return reply({
      ...shape(issued),
      scope: formatScopes(issued.scopes),
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    });
  }

  async function identify(form: TokenForm, site: SignInSite) {
    switch (form.grant_type) {
      case "password":
        return verifyAnywhere(
          deps,
          secrets,
          { username: form.username ?? "", secret: form.password ?? "" },
          site,
          true,
        );
      case "refresh_token":
        return redeemRefreshToken(deps, secrets, form.refresh_token ?? "", site.remoteAddress);
      default:
        throw new AppError("REQUEST_INVALID", "grant_type must be password or refresh_token");
    }
  }

  return [
    endpoint({
      id: "token.get",
      method: "GET",
      path: "/token",
      can: { who: "identified" },
      summary: "A bearer token for the caller, as docker asks for it.",
      query: [
        { name: "service", form: "text", description: "the service of the challenge" },
        { name: "scope", form: "text", isRepeatable: true, description: "repository:acme/app:pull,push" },
        { name: "account", form: "text", description: "the user's name, again" },
        { name: "client_id", form: "text", description: "the program that asks" },
        { name: "offline_token", form: "text", description: "true: a refresh token, too" },
      ],
      handle: byGet,
    }),
    endpoint({
      id: "token.post",
      method: "POST",
      path: "/token",
      can: { who: "public" },
      summary: "A bearer token by OAuth2: with a password, or with a refresh token.",
      body: async () => (await import("./token-schema.ts")).tokenForm,
      handle: byPost,
    }),
    endpoint({
      id: "token.keys",
      method: "GET",
      path: "/token/jwks",
      can: { who: "public" },
      summary: "Public keys that verify the tokens (JWKS).",
      handle: jwks,
    }),
    endpoint({
      id: "token.well-known-keys",
      method: "GET",
      path: "/.well-known/jwks.json",
      can: { who: "public" },
      summary: "As /token/jwks, where others look for it.",
      handle: jwks,
    }),
  ];
}

function checkService(deps: IdentityDeps, service: string | undefined): void {
  if (service === undefined || service === "" || service === deps.tokens.service) return;
  throw new AppError(
    "REQUEST_INVALID",
    "the token service issues tokens for another service than the one asked for",
  );
}

/**
 * `account` only repeats the name that was typed, which may be another than the user's where a sign-in provider knows them by it; asked for somebody
 * else's it is a mistake.
 */
function checkAccount(actor: Actor, account: string | null, authorization: string | undefined): void {
  // Whoever is vouched for from outside is called something else there.
  if (account === null || account === "" || actor.kind !== "user" || account === actor.username) return;
  const [, basic] = /^basic +(\S+)$/i.exec(authorization ?? "") ?? [];
  if (basic !== undefined && parseBasic(basic).username === account) return;
  throw new AppError("UNAUTHORIZED", "the account asked for is not the one that signed in");
}

function shape(issued: IssuedToken) {
  return {
    access_token: issued.token,
    expires_in: issued.expiresInSeconds,
    issued_at: new Date(issued.issuedAtMs).toISOString(),
  };
}

function reply(value: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, headers: noStore, body: { kind: "json", value } };
}
