import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import {
  type AccessToken,
  findAccessTokenByHash,
  findAccessTokenById,
} from "../access-tokens/access-token-store.ts";
import { accessTokenPrefix, hashSecret, isAccessTokenSecret } from "../access-tokens/secret.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findFactors, hasSecondFactor } from "../mfa/find-factors.ts";
import type { AskProviders } from "../providers/ask-providers.ts";
import { isAccountName } from "../users/account-name.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { findUserById } from "../users/user-store.ts";
import { actorOf, isActive, type Living } from "./living.ts";
import { createUseRecorder } from "./record-use.ts";
import { createSignInThrottle } from "./sign-in-throttle.ts";
import { createPasswordVerifier } from "./verify-password.ts";

/** Turns what a client shows into a user. Wrong and unknown are the same `UNAUTHORIZED`. */
export interface SecretVerifier {
  /**
   * A user name with a password, or with a personal access token of that user in its place. A name without a password of ours is asked of the sign-in
   * providers. `TOOMANYREQUESTS` after too many wrong passwords, `OVERLOADED` when too many sign in at once, `UNAVAILABLE` when a provider that would
   * know does not answer.
   * Whoever has a second factor needs a token: a password alone is refused, which only those learn
   * who know it.
   */
  verify(username: string, secret: string, remoteAddress: string): Promise<UserActor>;
  /** A user name with a password and nothing else, for a browser. As `verify`; only people sign in so. */
  verifyPassword(username: string, password: string, remoteAddress: string): Promise<UserActor>;
  /** A personal access token alone. */
  verifyAccessToken(secret: string): Promise<UserActor>;
  /**
   * The user of a token that was issued before, if they may still use it: not deleted, not disabled, and the access token it was got with
   * neither revoked nor expired. Cached by the access version.
   */
  findLiving(userId: number, accessTokenId: number | undefined): Promise<Living | undefined>;
}

/** Without `askProviders` there are only passwords of ours. */
export function createSecretVerifier(
  deps: IdentityDeps,
  askProviders: AskProviders = async () => undefined,
): SecretVerifier {
  const throttle = createSignInThrottle(deps.clock);
  const verifyPassword = createPasswordVerifier(deps);
  const recordUse = createUseRecorder(deps);

  const isExpired = (token: AccessToken) =>
    token.expiresAtMs !== undefined && token.expiresAtMs <= deps.clock.nowMs();

  const findLiving: SecretVerifier["findLiving"] = async (userId, accessTokenId) => {
    const { living } = await deps.cache.get(`living ${userId} ${accessTokenId ?? ""}`, async () => ({
      living: await loadLiving(deps, userId, accessTokenId),
    }));
    if (living === undefined || !isActive(living.user, deps.clock.nowMs())) return undefined;
    return living.accessToken !== undefined && isExpired(living.accessToken) ? undefined : living;
  };

  async function findByAccessToken(secret: string): Promise<Living | undefined> {
    if (!isAccessTokenSecret(secret)) return undefined;
    const hash = hashSecret(secret);
    const { token } = await deps.cache.get(`token ${hash}`, async () => ({
      token: await findAccessTokenByHash(deps.database.read, hash),
    }));
    const living = token && (await findLiving(token.userId, token.id));
    if (living?.accessToken !== undefined) await recordUse(living.accessToken.id);
    return living;
  }

  /** Names elsewhere have other forms than ours: people type what they always type. */
  async function signInElsewhere(
    username: string,
    password: string,
    remoteAddress: string,
  ): Promise<Living | undefined> {
    const userId = await askProviders(username, password, remoteAddress);
    return userId === undefined ? undefined : findLiving(userId, undefined);
  }

  async function signIn(username: string, password: string, remoteAddress: string): Promise<UserActor> {
    const attempt = throttle.begin(remoteAddress, username, password);
    try {
      const found =
        (isAccountName(username) ? await verifyPassword(username, password) : undefined) ??
        (await signInElsewhere(username, password, remoteAddress));
      if (found === undefined) throw wrong();
      attempt.succeeded();
      return actorOf(found, "password");
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") attempt.abandoned();
      throw error;
    }
  }

  return {
    findLiving,
    async verify(username, secret, remoteAddress) {
      if (!secret.startsWith(accessTokenPrefix)) {
        const actor = await signIn(username, secret, remoteAddress);
        if (hasSecondFactor(await findFactors(deps, actor.userId))) throw needsToken();
        return actor;
      }
      // 256 random bits cannot be guessed, so wrong ones are not counted: they would only lock out others behind the same address.
      const found = await findByAccessToken(secret);
      if (found === undefined || found.user.username !== username) throw wrong();
      return actorOf(found, "access-token");
    },
    async verifyPassword(username, password, remoteAddress) {
      if (password.startsWith(accessTokenPrefix)) throw wrong();
      const actor = await signIn(username, password, remoteAddress);
      if (actor.account !== "person") throw wrong();
      return actor;
    },
    async verifyAccessToken(secret) {
      const found = await findByAccessToken(secret);
      if (found === undefined) throw wrong();
      return actorOf(found, "access-token");
    },
  };
}

async function loadLiving(
  { database }: IdentityDeps,
  userId: number,
  accessTokenId: number | undefined,
): Promise<Living | undefined> {
  const found = await findUserById(database.read, userId);
  if (found === undefined) return undefined;
  const { passwordHash, ...user } = found;
  if (accessTokenId === undefined) {
    return { user, accessToken: undefined, passwordEpoch: passwordEpochOf(passwordHash) };
  }
  const accessToken = await findAccessTokenById(database.read, accessTokenId);
  return accessToken?.userId === userId ? { user, accessToken, passwordEpoch: undefined } : undefined;
}

function needsToken(): AppError {
  return new AppError(
    "UNAUTHORIZED",
    "this account has a second factor: here, use an access token in place of the password",
  );
}

function wrong(): AppError {
  return new AppError(
    "UNAUTHORIZED",
    "the user name or the password is wrong, or the token is expired or revoked",
  );
}
