import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import { intersectActions, type Scope } from "@entrepot/oci/scope";
import { type JWTPayload, SignJWT } from "jose";
import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";
import { type Actor, actorName, type UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret, newUuid } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import { hashSecret } from "../access-tokens/secret.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { loadFactors } from "../mfa/factor-store.ts";
import { hasSecondFactor } from "../mfa/find-factors.ts";
import { maxAuthorizationLength } from "../sign-in/credential-limits.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { holdUser } from "../users/user-store.ts";
import { insertRefreshToken } from "./refresh-token-store.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { issuer } from "./verify-token.ts";

export interface IssuedToken {
  readonly token: string;
  /** What was granted: requested ∩ permitted. Resources without any action left are not in it. */
  readonly scopes: readonly Scope[];
  readonly expiresInSeconds: number;
  readonly issuedAtMs: number;
}

const refreshTokenPrefix = "entr_";

/** The access token's secret that a refresh token was got with, as far as it says. */
export function secretIdIn(refreshToken: string): number | undefined {
  const [, secretId] = /\.([1-9][0-9]{0,14})$/.exec(refreshToken) ?? [];
  return secretId === undefined ? undefined : Number(secretId);
}

/**
 * Issues a bearer token for what was asked for as far as the actor may have it; with nothing left it is issued all the same. `UNAUTHORIZED` for
 * an actor who shows a bearer token: it would widen itself and never end. `REQUEST_INVALID` when the token would be too long to be shown.
 */
export async function issueToken(
  deps: IdentityDeps,
  keys: SigningKeys,
  actor: Actor,
  requested: readonly Scope[],
): Promise<IssuedToken> {
  if (actor.limits !== undefined) {
    throw new AppError("UNAUTHORIZED", "a bearer token gets no other; use a password or an access token");
  }
  // At most as many as `parseScopes` takes.
  const granted = await Promise.all(requested.map((scope) => grant(deps, actor, scope)));
  const scopes = granted.filter((scope) => scope.actions.length > 0);
  const { kid, key } = await keys.current();
  const issuedAtMs = deps.clock.nowMs();
  const issuedAt = Math.floor(issuedAtMs / 1_000);
  const expiresInSeconds = Math.floor(deps.tokens.lifetimeMs / 1_000);
  const token = await new SignJWT({ access: scopes, ...identityClaims(actor) })
    .setProtectedHeader({ alg: "ES256", typ: "JWT", kid })
    .setIssuer(issuer)
    .setSubject(actor.kind === "anonymous" ? "" : actorName(actor))
    .setAudience(deps.tokens.service)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + expiresInSeconds)
    .setJti(newUuid())
    .sign(key);
  if (token.length + "Bearer ".length > maxAuthorizationLength) {
    throw new AppError(
      "REQUEST_INVALID",
      "a token for so many scopes is too long for a header; ask for fewer",
    );
  }
  return { token, scopes, expiresInSeconds, issuedAtMs };
}

function identityClaims(actor: Actor): JWTPayload {
  if (actor.kind === "anonymous") return {};
  if (actor.kind === "external") return { ext: [actor.authority, actor.principal] };
  const { userId, accessTokenId, secretId, passwordEpoch } = actor;
  return {
    uid: userId,
    ...(accessTokenId === undefined ? { epoch: passwordEpoch } : { pat: accessTokenId }),
    ...(secretId === undefined ? {} : { sec: secretId }),
  };
}

async function grant(deps: IdentityDeps, actor: Actor, scope: Scope): Promise<Scope> {
  // The catalog shows everybody what they may read, so there is nothing to refuse.
  if (scope.type === "registry" && scope.name === "catalog") {
    return { ...scope, actions: intersectActions(scope.actions, ["*"]) };
  }
  const repository = scope.type === "repository" ? tryParseRepositoryName(scope.name) : undefined;
  if (repository === undefined) return { ...scope, actions: [] };
  const asked = intersectActions(scope.actions, repositoryActions).filter(isRepositoryAction);
  return { ...scope, actions: await deps.access.permittedActions(actor, asked, repository) };
}

function isRepositoryAction(action: string): action is RepositoryAction {
  return repositoryActions.some((known) => known === action);
}

/**
 * A refresh token for the actor: opaque, for this service only, revoked with the user, with the password or the access token it was got with, and with the one of
 * its secrets that was shown, whose number is at its end. `UNAUTHORIZED` when the password that was shown is enough no longer.
 */
export async function issueRefreshToken(
  deps: IdentityDeps,
  actor: Actor,
  clientId: string,
): Promise<string | undefined> {
  // Whoever is vouched for from outside signs in there.
  if (actor.kind !== "user") return undefined;
  const { secretId } = actor;
  // It cannot be changed: the whole is looked up by its hash.
  const secret = `${refreshTokenPrefix}${newSecret()}${secretId === undefined ? "" : `.${secretId}`}`;
  await deps.database.transaction(async (tx) => {
    if (actor.accessTokenId === undefined) await checkPasswordStays(tx, actor);
    await insertRefreshToken(tx, {
      userId: actor.userId,
      accessTokenId: actor.accessTokenId,
      service: deps.tokens.service,
      // Only for a person to recognise it by.
      clientId: clientId.slice(0, 200).replace(/[^\x20-\x7e]/g, "?"),
      secretHash: hashSecret(secret),
      nowMs: deps.clock.nowMs(),
    });
  });
  return secret;
}

/** Whoever ends what was got with a password waits for this transaction, or has ended the password: nothing of it comes after that. */
async function checkPasswordStays(tx: Tx, { userId, passwordEpoch }: UserActor): Promise<void> {
  const user = await holdUser(tx, userId);
  const factors = await loadFactors(tx, userId);
  const isSame = user !== undefined && passwordEpochOf(user.passwordHash) === passwordEpoch;
  if (isSame && factors !== undefined && !hasSecondFactor(factors)) return;
  throw new AppError("UNAUTHORIZED", "the password was changed, or is enough no longer; sign in again");
}
