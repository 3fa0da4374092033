import { createHash } from "node:crypto";
import { formatScopes, parseScopes } from "@entrepot/oci/scope";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  type AccessToken,
  deleteAccessToken,
  insertAccessToken,
  listAccessTokens,
} from "./access-token-store.ts";

export type { AccessToken };

/** Tells a person, and a scanner for leaked secrets, what it is. */
export const accessTokenPrefix = "entp_";

/** 256 random bits need no slow hash: nobody can try them out. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * Makes a personal access token; its secret is told here and never again. `scopes` as in the token protocol (`repository:acme/app:pull`), limits
 * what can be had with it. `ALREADY_EXISTS` for a name that the user has in use.
 */
export async function createAccessToken(
  deps: IdentityDeps,
  userId: number,
  token: { readonly name: string; readonly scopes?: string; readonly expiresAtMs?: number },
): Promise<{ readonly token: AccessToken; readonly secret: string }> {
  const nowMs = deps.clock.nowMs();
  if (token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs) {
    throw new AppError("REQUEST_INVALID", "the token would have expired already");
  }
  const scopes = token.scopes === undefined ? undefined : formatScopes(parseScopes(token.scopes));
  const secret = `${accessTokenPrefix}${newSecret()}`;
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

export function listOwnAccessTokens(deps: IdentityDeps, userId: number): Promise<readonly AccessToken[]> {
  return listAccessTokens(deps.database.read, userId);
}

/** Revokes a token, and with it every bearer and refresh token that was got with it, at once here and within about a second elsewhere. */
export async function revokeAccessToken(deps: IdentityDeps, userId: number, id: number): Promise<void> {
  const revoked = await deps.database.transaction(async (tx) => {
    const found = await deleteAccessToken(tx, userId, id);
    if (found) await bumpAccessVersion(tx);
    return found;
  });
  deps.access.changed();
  if (!revoked) throw new AppError("NOT_FOUND", `you have no token ${id}`);
}
