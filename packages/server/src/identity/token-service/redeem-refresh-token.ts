import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { accessTokenPrefix, hashSecret } from "../access-tokens/manage-access-tokens.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { actorOf, type SecretVerifier } from "../sign-in/verify-secret.ts";
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
  const living = found && (await secrets.findLiving(found.userId, found.accessTokenId));
  if (found === undefined || living === undefined || found.service !== deps.tokens.service) {
    throw new AppError("UNAUTHORIZED", "the refresh token is unknown or was revoked; sign in again");
  }
  await deps.database.transaction((tx) => touchRefreshToken(tx, found.id, deps.clock.nowMs()), {
    durable: false,
  });
  return actorOf(living.user, "refresh-token", living.accessToken);
}
