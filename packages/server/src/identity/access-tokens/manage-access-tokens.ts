import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { type CredentialScopeJson, toCredentialScope } from "../../access/credential-scope.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  type AccessToken,
  deleteAccessToken,
  findAccessTokenById,
  insertAccessToken,
  listAccessTokens,
} from "./access-token-store.ts";
import { hashSecret, newAccessTokenSecret } from "./secret.ts";

export type { AccessToken };

/**
 * Makes a personal access token; its secret is told here and never again. `scopes` limit what can be had with it. `ALREADY_EXISTS` for a name that
 * the user has in use; `NAME_INVALID` for a pattern that is none; `DENIED` when the maker is limited, or is a token that would be outlived.
 */
export async function createAccessToken(
  deps: IdentityDeps,
  maker: UserActor,
  token: {
    readonly name: string;
    readonly scopes?: readonly CredentialScopeJson[];
    readonly expiresAtMs?: number;
  },
): Promise<{ readonly token: AccessToken; readonly secret: string }> {
  const { userId } = maker;
  const nowMs = deps.clock.nowMs();
  if (token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs) {
    throw new AppError("REQUEST_INVALID", "the token would have expired already");
  }
  await checkMaker(deps, maker, token.expiresAtMs);
  const scopes = token.scopes?.map(toCredentialScope);
  const secret = newAccessTokenSecret();
  const created = await deps.database.transaction(async (tx) => {
    const row = await insertAccessToken(tx, {
      userId,
      name: token.name,
      secretHash: hashSecret(secret),
      scopes,
      nowMs,
      expiresAtMs: token.expiresAtMs,
    });
    if (row !== undefined) await bumpAccessVersion(tx);
    return row;
  });
  if (created === undefined)
    throw new AppError("ALREADY_EXISTS", `you have a token named ${token.name} already`);
  deps.access.changed();
  return { token: created, secret };
}

/** In the order in which they were made, without their secrets. */
export async function listOwnAccessTokens(
  deps: IdentityDeps,
  owner: UserActor,
): Promise<readonly AccessToken[]> {
  refuseLimited(owner);
  return listAccessTokens(deps.database.read, owner.userId);
}

/** Revokes a token, and with it every bearer and refresh token that was got with it, at once here and within about a second elsewhere. `NOT_FOUND` when it is not the owner's. */
export async function revokeAccessToken(deps: IdentityDeps, owner: UserActor, id: number): Promise<void> {
  refuseLimited(owner);
  const revoked = await deps.database.transaction(async (tx) => {
    const found = await deleteAccessToken(tx, owner.userId, id);
    if (found) await bumpAccessVersion(tx);
    return found;
  });
  deps.access.changed();
  if (!revoked) throw new AppError("NOT_FOUND", `you have no token ${id}`);
}

/** Whoever holds a limited credential must not get an unlimited one with it, nor learn of the others. */
function refuseLimited(actor: UserActor): void {
  if (actor.limits === undefined && actor.credentialScopes === undefined) return;
  throw new AppError(
    "DENIED",
    "a limited token cannot manage tokens; use your password or an unlimited token",
  );
}

/** A token that expires must not get itself a longer life. */
async function checkMaker(
  deps: IdentityDeps,
  maker: UserActor,
  expiresAtMs: number | undefined,
): Promise<void> {
  refuseLimited(maker);
  if (maker.accessTokenId === undefined) return;
  const own = await findAccessTokenById(deps.database.read, maker.accessTokenId);
  if (
    own !== undefined &&
    (own.expiresAtMs ?? Number.POSITIVE_INFINITY) >= (expiresAtMs ?? Number.POSITIVE_INFINITY)
  )
    return;
  throw new AppError("DENIED", "a token cannot make one that outlives it; use your password");
}
