import * as oidc from "openid-client";
import { AppError } from "../../../lib/app-error.ts";
import type { IdentityDeps } from "../../identity-deps.ts";
import { createOutgoingFetch } from "../outgoing-fetch.ts";
import type { ProviderPerson, RedirectProvider } from "../provider.ts";
import type { OidcSettings } from "../provider-schema.ts";
import { googleIssuer } from "./google-as-oidc.ts";
import { readClaims } from "./read-claims.ts";

const defaultTimeoutMs = 5_000;
/** The document changes when a provider is upgraded; its keys are looked up again by themselves when one is unknown. */
const discoveredForMs = 600_000;
const clockToleranceMs = 30_000;

/**
 * An OpenID Connect provider, by authorization code with PKCE, state and nonce. The identity token's signature, issuer, audience, nonce and times are
 * checked by the library; who may come in beyond that is `readClaims`'s and the policy's business.
 */
export function createOidcProvider(
  deps: Pick<IdentityDeps, "outgoing" | "clock">,
  settings: OidcSettings,
  clientSecret: string | undefined,
): RedirectProvider {
  let discovered: { readonly configuration: Promise<oidc.Configuration>; readonly atMs: number } | undefined;

  function configure(): Promise<oidc.Configuration> {
    const nowMs = deps.clock.nowMs();
    if (discovered !== undefined && Math.abs(nowMs - discovered.atMs) < discoveredForMs)
      return discovered.configuration;
    const configuration = discover(deps, settings, clientSecret);
    discovered = { configuration, atMs: nowMs };
    configuration.catch(() => {
      discovered = undefined;
    });
    return configuration;
  }

  return {
    how: "redirect",
    // Google says nothing of when somebody signed in.
    canAskAnew: settings.issuer !== googleIssuer,
    async begin({ redirectUri, state, anewSinceMs }) {
      const configuration = await configure();
      const verifier = oidc.randomPKCECodeVerifier();
      const nonce = oidc.randomNonce();
      const address = oidc.buildAuthorizationUrl(configuration, {
        ...settings.parameters,
        ...(anewSinceMs === undefined ? {} : { prompt: "login", max_age: "0" }),
        redirect_uri: redirectUri,
        scope: [...new Set(["openid", ...(settings.scopes ?? ["profile", "email"])])].join(" "),
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        state,
        nonce,
      });
      return { address: address.href, kept: `${verifier} ${nonce}` };
    },
    async finish(callback, { state, kept, anewSinceMs }) {
      const configuration = await configure();
      const [verifier = "", nonce = ""] = kept.split(" ");
      try {
        const tokens = await oidc.authorizationCodeGrant(configuration, callback, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined) throw new AppError("DENIED", "the provider sent no identity token");
        if (anewSinceMs !== undefined) checkAnew(claims.auth_time, anewSinceMs);
        const more =
          settings.useUserInfo === true
            ? await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)
            : {};
        // What the signed token says wins.
        return readClaims(settings, { ...more, ...claims }) satisfies ProviderPerson;
      } catch (error) {
        throw told(error);
      }
    },
    async probe() {
      const configuration = await discover(deps, settings, clientSecret);
      const { authorization_endpoint: authorization, token_endpoint: token } = configuration.serverMetadata();
      if (authorization === undefined || token === undefined)
        throw new Error("the provider has no authorization endpoint");
      return "the provider answers and describes itself";
    },
    async signOutAddress(returnTo) {
      if (settings.signOut !== true) return undefined;
      const configuration = await configure();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      return oidc.buildEndSessionUrl(configuration, { post_logout_redirect_uri: returnTo }).href;
    },
  };
}

/** OpenID Connect Core, 3.1.2.1: with `max_age` the token says when they were last asked; that a provider ignored it must not count. */
function checkAnew(authTime: unknown, sinceMs: number): void {
  if (typeof authTime === "number" && authTime * 1_000 >= sinceMs - clockToleranceMs) return;
  throw new AppError("DENIED", "the provider did not ask you anew who you are; sign out and in again");
}

async function discover(
  deps: Pick<IdentityDeps, "outgoing">,
  settings: OidcSettings,
  clientSecret: string | undefined,
): Promise<oidc.Configuration> {
  const timeoutMs = (settings.timeoutSeconds ?? defaultTimeoutMs / 1_000) * 1_000;
  const fetch = createOutgoingFetch(deps.outgoing, timeoutMs);
  return oidc.discovery(
    new URL(settings.issuer),
    settings.clientId,
    {},
    clientAuthentication(settings, clientSecret),
    {
      [oidc.customFetch]: (url, init) => fetch(url, init),
      timeout: timeoutMs / 1_000,
      execute: [
        // The token comes over TLS, but the provider's keys are the stronger word.
        oidc.enableNonRepudiationChecks,
        ...(settings.allowPlainHttp === true ? [oidc.allowInsecureRequests] : []),
      ],
    },
  );
}

function clientAuthentication(settings: OidcSettings, clientSecret: string | undefined): oidc.ClientAuth {
  const { clientAuthentication: method = clientSecret === undefined ? "none" : "client_secret_basic" } =
    settings;
  if (method === "none") return oidc.None();
  return method === "client_secret_post"
    ? oidc.ClientSecretPost(clientSecret)
    : oidc.ClientSecretBasic(clientSecret);
}

/** An answer that is not for us is the end of this sign-in, not of the provider. The library's messages name claims, not their values. */
function told(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof oidc.AuthorizationResponseError) {
    return new AppError("DENIED", "the provider did not let you in, or you turned back", { cause: error });
  }
  if (error instanceof oidc.ResponseBodyError && error.status < 500) {
    return new AppError("DENIED", "the provider does not take this answer any more; start again", {
      cause: error,
    });
  }
  if (error instanceof oidc.ClientError && error.cause instanceof AppError) return error.cause;
  if (error instanceof oidc.ClientError) {
    const isAnswer = error.code?.startsWith("OAUTH_") === true && error.code !== "OAUTH_TIMEOUT";
    if (isAnswer)
      return new AppError("DENIED", "the provider's answer is not for this sign-in", { cause: error });
  }
  return error;
}
