import { mergeScopes, type Scope } from "@entrepot/oci/scope";
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { Actor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { createLru } from "../../lib/create-lru.ts";
import { type MaybePromise, whenReady } from "../../lib/maybe-promise.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findFactors, hasSecondFactor } from "../mfa/find-factors.ts";
import { actorOf } from "../sign-in/living.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** What our tokens say, beyond the registered claims: whose they are, and what they carry. */
export interface VerifiedToken {
  readonly userId: number | undefined; // undefined = anonymous, or somebody outside
  /** Set for somebody outside: who vouched for them, what they are called there, and here. */
  readonly outside:
    | { readonly authority: string; readonly principal: string; readonly username: string }
    | undefined;
  readonly accessTokenId: number | undefined;
  /** Which of its secrets it was got with; undefined in tokens from before they said so. */
  readonly secretId: number | undefined;
  /** Of the password that it was got with; undefined with an access token. */
  readonly passwordEpoch: string | undefined;
  readonly scopes: readonly Scope[];
  readonly expiresAtMs: number;
}

export interface TokenVerifier {
  /** Whether a token is one of ours, or says that it is: then nobody else is shown it. */
  isOurs(token: string): boolean;
  /** The actor of a bearer token of ours, shown from that address; `UNAUTHORIZED` with why not. One that has ended is taken where `takesEnded` says so. */
  verify(token: string, remoteAddress: string, takesEnded?: () => Promise<boolean>): MaybePromise<Actor>;
}

export const issuer = "entrepot";
const clockToleranceSeconds = 30;
/** Some 10,000 usual tokens, and fewer of those that carry many scopes. */
const maxVerifiedBytes = 12_000_000;
/** Beside the token itself and as much again for what was read from it. */
const entryBytes = 300;
/** How long an upload may go on with the token that began it. */
const maxOverrunSeconds = 86_400;

/**
 * Verifies signatures once: the outcome is kept by the token, in memory only, until it expires; a hash of it would cost more than the rest of a request's authentication. What is never kept is whether its user may still use it: that
 * is asked for each request, of the access-versioned cache, so that revocation reaches tokens already issued. Nor is whether the key is still one
 * of ours.
 */
export function createTokenVerifier(
  deps: IdentityDeps,
  keys: SigningKeys,
  secrets: SecretVerifier,
): TokenVerifier {
  const verified = createLru<string, VerifiedToken & { readonly kid: string }>(maxVerifiedBytes, {
    weightOf: (_, token) => 2 * token.length + entryBytes,
  });
  // Of tokens whose signature was good: one for each key. Only such, as anybody can write a header.
  const headers = new Set<string>();

  function check(
    token: string,
    takesEnded: (() => Promise<boolean>) | undefined,
  ): MaybePromise<VerifiedToken> {
    const kept = verified.get(token);
    if (kept === undefined) return checkAnew(token, takesEnded);
    return whenReady(keys.find(kept.kid), (key) => {
      const isOver = kept.expiresAtMs + clockToleranceSeconds * 1_000 <= deps.clock.nowMs();
      if (key !== undefined && !isOver) return kept;
      verified.delete(token);
      return checkAnew(token, takesEnded);
    });
  }

  async function checkAnew(
    token: string,
    takesEnded: (() => Promise<boolean>) | undefined,
  ): Promise<VerifiedToken> {
    const { kid, payload } = await verifySignature(token, clockToleranceSeconds).catch(
      async (error: unknown) => {
        const isOver = error instanceof AppError && error.cause instanceof errors.JWTExpired;
        if (!isOver || takesEnded === undefined || !(await takesEnded())) throw error;
        return verifySignature(token, maxOverrunSeconds);
      },
    );
    const found = { ...read(payload), kid };
    verified.set(token, found);
    return found;
  }

  async function verifySignature(
    token: string,
    toleranceSeconds: number,
  ): Promise<{ kid: string; payload: JWTPayload }> {
    try {
      const { kid = "" } = decodeProtectedHeader(token);
      const key = await keys.find(kid);
      if (key === undefined) throw refused("its key is unknown; get a new one");
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["ES256"],
        typ: "JWT",
        issuer,
        audience: deps.tokens.service,
        clockTolerance: toleranceSeconds,
        currentDate: new Date(deps.clock.nowMs()),
        requiredClaims: ["exp", "iat", "jti", "access"],
      });
      headers.add(headerOf(token));
      return { kid, payload };
    } catch (error) {
      if (error instanceof AppError) throw error;
      if (error instanceof errors.JWTExpired) throw refused("it has expired", error);
      if (error instanceof errors.JOSEError || error instanceof TypeError)
        throw refused("it is not one of ours");
      throw error;
    }
  }

  /** The actor that a good token means now, if it still means anybody. */
  function actorFor(token: VerifiedToken, remoteAddress: string): MaybePromise<Actor> {
    const { userId, outside, accessTokenId, secretId, scopes } = token;
    if (outside !== undefined) return actorOutside(outside, scopes);
    if (userId === undefined) return { kind: "anonymous", limits: scopes, credentialScopes: undefined };
    return whenReady(secrets.findLiving(userId, accessTokenId, remoteAddress, secretId), (living) => {
      if (living === undefined) throw refused("it was revoked");
      if (living.passwordEpoch !== token.passwordEpoch) throw refused("the password was changed since");
      const actor = { ...actorOf(living, "bearer-token", secretId), limits: scopes };
      if (accessTokenId !== undefined) return actor;
      return whenReady(findFactors(deps, userId), (factors) => {
        if (hasSecondFactor(factors))
          throw refused("its user has a second factor since; use an access token");
        return actor;
      });
    });
  }

  async function actorOutside(
    outside: NonNullable<VerifiedToken["outside"]>,
    scopes: readonly Scope[],
  ): Promise<Actor> {
    if ((await deps.outside?.knows(outside.authority)) !== true) throw refused("it was revoked");
    return { kind: "external", ...outside, limits: scopes, credentialScopes: undefined };
  }

  return {
    isOurs: (token) => headers.has(headerOf(token)) || claimsToBeOurs(token),
    verify: (token, remoteAddress, takesEnded) =>
      whenReady(check(token, takesEnded), (checked) => actorFor(checked, remoteAddress)),
  };
}

function headerOf(token: string): string {
  return token.slice(0, Math.max(0, token.indexOf(".")));
}

function claimsToBeOurs(token: string): boolean {
  try {
    return decodeJwt(token).iss === issuer;
  } catch {
    return false;
  }
}

function read(payload: JWTPayload): VerifiedToken {
  const { uid, pat, sec, epoch, access, exp, ext, sub = "" } = payload;
  const [authority, principal]: readonly unknown[] = Array.isArray(ext) ? ext : [];
  const isOutside = typeof authority === "string" && typeof principal === "string";
  return {
    outside: isOutside ? { authority, principal, username: sub } : undefined,
    userId: typeof uid === "number" ? uid : undefined,
    accessTokenId: typeof pat === "number" ? pat : undefined,
    secretId: typeof sec === "number" ? sec : undefined,
    passwordEpoch: typeof epoch === "string" ? epoch : undefined,
    scopes: Array.isArray(access) ? mergeScopes(access.flatMap(readScope)) : [],
    expiresAtMs: (exp ?? 0) * 1_000,
  };
}

/** One entry of the claim `access`; none when it is not of its form. */
export function readScope(value: unknown): readonly Scope[] {
  if (typeof value !== "object" || value === null) return [];
  if (!("type" in value && "name" in value && "actions" in value)) return [];
  const { type, name, actions } = value;
  if (typeof type !== "string" || typeof name !== "string" || !Array.isArray(actions)) return [];
  return [{ type, name, actions: actions.filter((action) => typeof action === "string") }];
}

function refused(problem: string, cause?: unknown): AppError {
  return new AppError("UNAUTHORIZED", `the token cannot be used: ${problem}`, { cause });
}
