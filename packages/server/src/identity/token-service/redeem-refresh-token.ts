import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { accessTokenPrefix, hashSecret } from "../access-tokens/secret.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { actorOf } from "../sign-in/living.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { secretIdIn } from "./issue-token.ts";
import { findRefreshToken, touchRefreshToken } from "./refresh-token-store.ts";

/**
 * The user of a refresh token, if they may still use it. Clients without a user name send whatever secret they have here, so an access token is
 * taken as well. `UNAUTHORIZED` when it is unknown, was revoked, or is another service's.
 */
export async function redeemRefreshToken(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  secret: string,
  remoteAddress: string,
): Promise<UserActor> {
  if (secret.startsWith(accessTokenPrefix)) return secrets.verifyAccessToken(secret, remoteAddress);
  const found = await findRefreshToken(deps.database.read, hashSecret(secret));
  if (found === undefined || found.service !== deps.tokens.service) throw revoked();
  const secretId = secretIdIn(secret);
  const living = await secrets.findLiving(found.userId, found.accessTokenId, remoteAddress, secretId);
  if (living === undefined) throw revoked();
  // After the look at the user: if the token is still there now, then the password that ended it was not changed before that look.
  const nowMs = deps.clock.nowMs();
  const isThere = await deps.database.transaction((tx) => touchRefreshToken(tx, found.id, nowMs), {
    durable: false,
  });
  if (!isThere) throw revoked();
  return actorOf(living, "refresh-token", secretId);
}

function revoked(): AppError {
  return new AppError("UNAUTHORIZED", "the refresh token is unknown or was revoked; sign in again");
}
