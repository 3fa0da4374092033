import { type Challenge, parseChallenges } from "@entrepot/oci/challenge";
import { formatScopes, mergeScopes, parseScopes, type Scope } from "@entrepot/oci/scope";
import { type BearerToken, fetchBearerToken, realmOf } from "./bearer-tokens.ts";
import { basicAuthorization, type Credentials } from "./credentials.ts";
import type { HttpTransport } from "./http-transport.ts";

/** Finds the `Authorization` of one registry, by what it last asked for. May be used concurrently: one token is fetched once. */
export interface Authorizer {
  /** The header's value as far as it is known without asking; undefined = send nothing, the registry will say what it wants. */
  authorizationFor(scopes: readonly Scope[], signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Takes the challenge of a 401. The value to try again with; undefined when nothing else could help: no challenge that is known, or the same
   * value was refused. `refused` is what the request carried.
   */
  answerChallenge(
    challengeHeader: string | undefined,
    scopes: readonly Scope[],
    refused: string | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined>;
  /** The token service of the last challenge; undefined before one, and where the registry takes Basic credentials. */
  tokenService(): URL | undefined;
}

export interface AuthorizerDeps {
  readonly transport: HttpTransport;
  readonly origin: URL;
  readonly credentials: Credentials | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

interface CachedToken {
  readonly token: Promise<BearerToken>;
  validUntilMs: number;
}

/** A token is not used for its last tenth, at most 10 s: the request needs time, too. */
const expiryMarginMs = 10_000;
const maxCachedTokens = 1_000;

export function createAuthorizer(deps: AuthorizerDeps): Authorizer {
  const { transport, origin, credentials, nowMs } = deps;
  const tokens = new Map<string, CachedToken>();
  let known: Challenge | undefined;

  async function bearer(scopes: readonly Scope[], challenge: Challenge, signal?: AbortSignal) {
    const scope = formatScopes(scopes);
    const cached = tokens.get(scope);
    if (cached !== undefined && cached.validUntilMs > nowMs()) return `Bearer ${(await cached.token).token}`;
    if (tokens.size >= maxCachedTokens) tokens.clear();
    const startedAtMs = nowMs();
    const entry: CachedToken = {
      token: fetchBearerToken(transport, {
        realm: realmOf(challenge, origin),
        service: challenge.parameters["service"],
        scope,
        credentials,
        ...(signal && { signal }),
      }),
      validUntilMs: Number.POSITIVE_INFINITY,
    };
    tokens.set(scope, entry);
    try {
      const { token, expiresInMs } = await entry.token;
      entry.validUntilMs = startedAtMs + expiresInMs - Math.min(expiryMarginMs, expiresInMs / 10);
      return `Bearer ${token}`;
    } catch (error) {
      if (tokens.get(scope) === entry) tokens.delete(scope);
      throw error;
    }
  }

  async function answer(challenge: Challenge, scopes: readonly Scope[], signal?: AbortSignal) {
    if (challenge.scheme === "bearer") return bearer(scopes, challenge, signal);
    return credentials?.kind === "password"
      ? basicAuthorization(credentials.username, credentials.password)
      : undefined;
  }

  return {
    async authorizationFor(scopes, signal) {
      if (credentials?.kind === "bearer") return `Bearer ${credentials.token}`;
      return known === undefined ? undefined : answer(known, scopes, signal);
    },

    async answerChallenge(challengeHeader, scopes, refused, signal) {
      if (credentials?.kind === "bearer") return undefined;
      const challenges = parseChallenges(challengeHeader ?? "");
      const challenge =
        challenges.find(({ scheme }) => scheme === "bearer") ??
        challenges.find(({ scheme }) => scheme === "basic");
      if (challenge === undefined) return undefined;
      known = challenge;
      const wanted = widen(scopes, challenge.parameters["scope"]);
      // The token that was refused may be revoked, or too narrow: fetch another, once.
      if (refused?.startsWith("Bearer ") === true) await forget(refused);
      const value = await answer(challenge, wanted, signal);
      // What the registry really wants for these scopes, next time at once.
      const entry = tokens.get(formatScopes(wanted));
      if (entry !== undefined) tokens.set(formatScopes(scopes), entry);
      return value === refused ? undefined : value;
    },

    tokenService: () => (known?.scheme === "bearer" ? realmOf(known, origin) : undefined),
  };

  async function forget(refused: string): Promise<void> {
    for (const [scope, entry] of tokens) {
      // A token still under way cannot have been refused.
      if (entry.validUntilMs === Number.POSITIVE_INFINITY) continue;
      if (`Bearer ${(await entry.token).token}` === refused) tokens.delete(scope);
    }
  }
}

/** What the client needs and what the challenge names; a malformed scope of the challenge adds nothing. */
function widen(scopes: readonly Scope[], challengeScope: string | undefined): readonly Scope[] {
  try {
    return mergeScopes([...scopes, ...parseScopes(challengeScope ?? "")]);
  } catch {
    return scopes;
  }
}
