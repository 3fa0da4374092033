import { decodeProtectedHeader, errors, importJWK, type JWTPayload, jwtVerify } from "jose";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { holds } from "./claim-condition.ts";
import type { IssuerKeys } from "./issuer-keys.ts";
import type { TrustRule } from "./trust-rule-store.ts";

/** What a rule says of a token: taken, or why not, in words for whoever wrote the rule. */
export type Judgement =
  | { readonly isTaken: true; readonly payload: JWTPayload; readonly expiresAtMs: number }
  | { readonly isTaken: false; readonly why: string };

/** Public keys only: with a shared secret, or none, whoever checks could also forge. */
const algorithms = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "EdDSA",
  "Ed25519",
];
const clockToleranceSeconds = 60;
const maxTokenLifetimeSeconds = 86_400;
/** Keys that are tried for one token: without key ids each costs a verification. */
const maxTries = 5;

/**
 * Judges one token by one rule, all of it: what another rule would say never mixes in. Throws `UNAVAILABLE` when the keys cannot be had; all else is
 * a judgement.
 */
export async function judgeToken(
  deps: { readonly keys: IssuerKeys; readonly clock: Clock },
  rule: TrustRule,
  token: string,
  signal: AbortSignal,
): Promise<Judgement> {
  if (rule.isDisabled) return no("the rule is disabled");
  const header = headerOf(token);
  if (header === undefined) return no("it is no signed JSON Web Token");
  const { alg, kid, typ } = header;
  if (alg === undefined || !algorithms.includes(alg)) {
    return no(`it is signed with ${JSON.stringify(alg?.slice(0, 20) ?? "nothing")}, which is not taken`);
  }
  // A logout token or a proof of possession is no token of identity, though the issuer has signed it.
  if (typ !== undefined && !/^(?:application\/)?(?:at\+)?jwt$/i.test(typ))
    return no("it is a token of another type");
  const candidates = (await deps.keys.candidates(rule, kid, signal)).filter(
    (key) => key.alg === undefined || key.alg === alg,
  );
  let why = "its key is not one of the issuer's";
  for (const key of candidates.slice(0, maxTries)) {
    try {
      const { payload } = await jwtVerify(token, await importJWK(key, alg), {
        algorithms,
        issuer: rule.issuer,
        audience: rule.audience,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(deps.clock.nowMs()),
        // Also refuses what was issued later than now.
        maxTokenAge: maxTokenLifetimeSeconds,
        requiredClaims: ["exp", "iat"],
      });
      return judgeClaims(rule, payload);
    } catch (error) {
      if (error instanceof AppError) throw error;
      why = whyNot(error, rule);
      const isOtherKey = !(
        error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired
      );
      if (!isOtherKey) break;
    }
  }
  return no(why);
}

function judgeClaims(rule: TrustRule, payload: JWTPayload): Judgement {
  const { exp = 0, iat = 0 } = payload;
  if (exp - iat > maxTokenLifetimeSeconds)
    return no("it lives longer than a day: take one that is made for the job");
  const failing = rule.claims.find((condition) => !holds(condition, payload));
  if (failing !== undefined) {
    const { claim, equals, matches } = failing;
    const wanted = equals === undefined ? `match ${JSON.stringify(matches)}` : `be ${JSON.stringify(equals)}`;
    return no(`its claim ${JSON.stringify(claim)} does not ${wanted}`);
  }
  if (rule.isOneTime && (typeof payload.jti !== "string" || payload.jti === "")) {
    return no("the rule takes each token once, and it has no `jti` to know it by");
  }
  return { isTaken: true, payload, expiresAtMs: exp * 1_000 };
}

function whyNot(error: unknown, rule: TrustRule): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud") return `it is for another audience than ${JSON.stringify(rule.audience)}`;
    if (error.claim === "iss") return "it is of another issuer";
    return `its claim ${JSON.stringify(error.claim)} is missing or does not hold now`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is not the issuer's";
  return "it cannot be verified with the issuer's keys";
}

function headerOf(token: string) {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}

function no(why: string): Judgement {
  return { isTaken: false, why };
}
