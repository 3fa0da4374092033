import { createHash } from "node:crypto";
import { matchesRepository, parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { ExternalActor } from "../../access/actor.ts";
import type { CredentialScope } from "../../access/credential-scope.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { createLru } from "../../lib/create-lru.ts";
import { readScope } from "../token-service/verify-token.ts";
import type { FindIssuerKey } from "./issuer-keys.ts";
import type { TokenIssuer } from "./token-issuer-store.ts";

/** What was found out about a token; kept until it ends. */
interface Verified {
  readonly issuerId: number;
  /** Of everything that decides whether its signature counts: another is another question. */
  readonly trust: string;
  readonly expiresAtMs: number;
  readonly subject: string;
  readonly scopes: readonly Scope[];
}

const maxScopes = 100;
/** How long an upload may go on with the token that began it. */
const maxOverrunSeconds = 86_400;
const grantable = ["pull", "push", "delete"] as const;

/**
 * The actor of a token that an issuer outside has signed: rights are the `access` claim as far as the issuer may speak, and never administration. Undefined =
 * no issuer that we trust has made it. `UNAUTHORIZED` when one claims to have, but it cannot be used; `UNAVAILABLE` when its keys cannot be had. Signatures
 * are verified once; whether the issuer is still trusted is looked up each time.
 */
export function createOutsideTokenVerifier(deps: {
  readonly clock: Clock;
  readonly issuers: () => Promise<readonly TokenIssuer[]>;
  readonly findKey: FindIssuerKey;
}): (token: string, takesEnded?: () => Promise<boolean>) => Promise<ExternalActor | undefined> {
  const verified = createLru<string, Verified>(20_000);

  async function check(
    token: string,
    candidates: readonly TokenIssuer[],
    takesEnded: (() => Promise<boolean>) | undefined,
  ): Promise<Verified> {
    const hash = createHash("sha256").update(token).digest("base64");
    const kept = verified.get(hash);
    const trusted = kept && candidates.find(({ id }) => id === kept.issuerId);
    if (kept !== undefined && trusted !== undefined && trustOf(trusted) === kept.trust) {
      if (deps.clock.nowMs() < kept.expiresAtMs + trusted.clockSkewSeconds * 1_000) return kept;
    }
    verified.delete(hash);
    const { aud } = decodeJwt(token);
    const audiences = typeof aud === "string" ? [aud] : (aud ?? []);
    const issuer = candidates.find(({ audience }) => audiences.includes(audience));
    if (issuer === undefined) throw refused("it is for somebody else");
    const payload = await verify(token, issuer, issuer.clockSkewSeconds).catch(async (error: unknown) => {
      const isOver = error instanceof AppError && error.cause instanceof errors.JWTExpired;
      if (!isOver || takesEnded === undefined || !(await takesEnded())) throw error;
      return verify(token, issuer, maxOverrunSeconds);
    });
    const found = {
      issuerId: issuer.id,
      trust: trustOf(issuer),
      expiresAtMs: (payload.exp ?? 0) * 1_000,
      subject: payload.sub ?? "",
      scopes: scopesOf(payload),
    };
    verified.set(hash, found);
    return found;
  }

  async function verify(token: string, issuer: TokenIssuer, toleranceSeconds: number): Promise<JWTPayload> {
    try {
      const header = decodeProtectedHeader(token);
      const { alg = "" } = header;
      if (!issuer.algorithms.includes(alg)) throw refused("it is not signed in a way that is taken");
      const key = await deps.findKey(issuer, { ...header, alg });
      if (key === undefined) throw refused("its key is unknown");
      const { payload } = await jwtVerify(token, key, {
        algorithms: [alg],
        issuer: issuer.issuer,
        audience: issuer.audience,
        clockTolerance: toleranceSeconds,
        currentDate: new Date(deps.clock.nowMs()),
        requiredClaims: ["exp", "access"],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw refused("it has expired", error);
      if (error instanceof errors.JOSEError || error instanceof TypeError)
        throw refused("its signature or form is wrong");
      throw error;
    }
  }

  return async (token, takesEnded) => {
    const iss = issuerClaimOf(token);
    const candidates = iss === undefined ? [] : (await deps.issuers()).filter(({ issuer }) => issuer === iss);
    if (candidates.length === 0) return undefined;
    const { issuerId, subject, scopes } = await check(token, candidates, takesEnded);
    const issuer = candidates.find(({ id }) => id === issuerId);
    if (issuer === undefined) return undefined;
    if (subject.length > 200 || /[\p{C}\p{Zl}\p{Zp}]/u.test(subject)) throw refused("its subject is no name");
    return {
      kind: "external",
      authority: `token-issuer:${issuer.id}`,
      principal: subject,
      // No name of ours has a colon: nobody outside can look like somebody here.
      username: `${issuer.name}:${subject}`,
      limits: scopes,
      credentialScopes: scopes.flatMap((scope) => toCredentialScope(issuer, scope)),
    };
  };
}

function trustOf({ algorithms, keys, jwksUrl, roots, audience }: TokenIssuer): string {
  return JSON.stringify([algorithms, keys, jwksUrl, roots, audience]);
}

function issuerClaimOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function scopesOf({ access }: JWTPayload): readonly Scope[] {
  if (!Array.isArray(access) || access.length > maxScopes)
    throw refused("its claim `access` is no list, or too long");
  return access.flatMap(readScope);
}

function toCredentialScope(issuer: TokenIssuer, { type, name, actions }: Scope): readonly CredentialScope[] {
  const repository = type === "repository" ? tryParseRepositoryName(name) : undefined;
  if (repository === undefined) return [];
  if (!issuer.patterns.some((pattern) => matchesRepository(pattern, repository))) return [];
  const granted = grantable.filter((action) => actions.includes(action) || actions.includes("*"));
  return [{ repositories: parseRepositoryPattern(repository), tags: undefined, actions: granted }];
}

function refused(problem: string, cause?: unknown): AppError {
  return new AppError("UNAUTHORIZED", `the token cannot be used: ${problem}`, { cause });
}
