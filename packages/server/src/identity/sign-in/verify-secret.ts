import { createHmac, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import {
  type AccessToken,
  findAccessTokenByHash,
  findAccessTokenById,
  touchAccessToken,
} from "../access-tokens/access-token-store.ts";
import { accessTokenPrefix, hashSecret } from "../access-tokens/manage-access-tokens.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findUserById, findUserByName, type User } from "../users/user-store.ts";
import { createSignInThrottle } from "./sign-in-throttle.ts";

/** Turns what a client shows into a user. Wrong and unknown are the same `UNAUTHORIZED`. */
export interface SecretVerifier {
  /** A user name with a password, or with a personal access token in its place. */
  verify(username: string, secret: string, remoteAddress: string): Promise<UserActor>;
  /** A personal access token alone. */
  verifyAccessToken(secret: string, remoteAddress: string): Promise<UserActor>;
  /**
   * The user of a token that was issued before, if they may still use it: not deleted, not disabled, and the access token it was got with
   * neither revoked nor expired. Cached by the access version.
   */
  findLiving(
    userId: number,
    accessTokenId: number | undefined,
  ): Promise<{ readonly user: User; readonly accessToken: AccessToken | undefined } | undefined>;
}

const touchEveryMs = 60_000;

export function createSecretVerifier(deps: IdentityDeps): SecretVerifier {
  const throttle = createSignInThrottle(deps.clock);
  // A password that was right for this hash: argon2 need not run for each of a client's Basic requests. Keyed by a secret of this process.
  const key = randomBytes(32);
  const known = new LRUCache<string, true>({ max: 10_000, ttl: 300_000 });
  const touched = new LRUCache<number, number>({ max: 10_000 });

  async function verifyPassword(username: string, password: string): Promise<User | undefined> {
    const { user } = await deps.cache.get(`user ${username}`, async () => ({
      user: await findUserByName(deps.database.read, username),
    }));
    const mark = createHmac("sha256", key)
      .update(`${user?.passwordHash ?? ""}\0${password}`)
      .digest("base64");
    if (user?.passwordHash !== undefined && known.has(mark)) return user.isDisabled ? undefined : user;
    if (!(await deps.passwords.verify(user?.passwordHash, password)) || user === undefined) return undefined;
    known.set(mark, true);
    return user.isDisabled ? undefined : user;
  }

  async function verifyToken(secret: string): Promise<{ user: User; token: AccessToken } | undefined> {
    const hash = hashSecret(secret);
    const { token } = await deps.cache.get(`token ${hash}`, async () => ({
      token: await findAccessTokenByHash(deps.database.read, hash),
    }));
    if (token === undefined || isExpired(token)) return undefined;
    const living = await findLiving(token.userId, token.id);
    if (living === undefined) return undefined;
    await touch(token.id);
    return { user: living.user, token };
  }

  function isExpired(token: AccessToken): boolean {
    return token.expiresAtMs !== undefined && token.expiresAtMs <= deps.clock.nowMs();
  }

  /** Last use, at most once a minute and token; not worth failing a request for. */
  async function touch(id: number): Promise<void> {
    const nowMs = deps.clock.nowMs();
    if (nowMs - (touched.get(id) ?? 0) < touchEveryMs) return;
    touched.set(id, nowMs);
    try {
      await deps.database.transaction((tx) => touchAccessToken(tx, id, nowMs), { durable: false });
    } catch (error) {
      deps.log.warn({ error, accessTokenId: id }, "could not record the use of an access token");
    }
  }

  const findLiving: SecretVerifier["findLiving"] = async (userId, accessTokenId) => {
    const { living } = await deps.cache.get(`living ${userId} ${accessTokenId ?? ""}`, async () => {
      const user = await findUserById(deps.database.read, userId);
      if (user === undefined || user.isDisabled) return { living: undefined };
      if (accessTokenId === undefined) return { living: { user, accessToken: undefined } };
      const accessToken = await findAccessTokenById(deps.database.read, accessTokenId);
      return { living: accessToken?.userId === userId ? { user, accessToken } : undefined };
    });
    if (living?.accessToken !== undefined && isExpired(living.accessToken)) return undefined;
    return living;
  };

  return {
    findLiving,
    async verify(username, secret, remoteAddress) {
      throttle.check(remoteAddress, username);
      const actor = await (secret.startsWith(accessTokenPrefix)
        ? verifyToken(secret).then((found) =>
            found?.user.username === username ? actorOf(found.user, "access-token", found.token) : undefined,
          )
        : verifyPassword(username, secret).then((user) =>
            user === undefined ? undefined : actorOf(user, "password", undefined),
          ));
      if (actor === undefined) {
        throttle.failed(remoteAddress, username, secret);
        throw wrong();
      }
      throttle.succeeded(remoteAddress, username);
      return actor;
    },
    async verifyAccessToken(secret, remoteAddress) {
      throttle.check(remoteAddress, "");
      const found = await verifyToken(secret);
      if (found !== undefined) return actorOf(found.user, "access-token", found.token);
      throttle.failed(remoteAddress, "", secret);
      throw wrong();
    },
  };
}

/** The actor of a user who has shown a credential. */
export function actorOf(
  user: User,
  credential: UserActor["credential"],
  accessToken: AccessToken | undefined,
): UserActor {
  return {
    kind: "user",
    userId: user.id,
    username: user.username,
    isAdmin: user.isAdmin,
    credential,
    accessTokenId: accessToken?.id,
    limits: undefined,
    credentialScopes: accessToken?.scopes,
  };
}

function wrong(): AppError {
  return new AppError(
    "UNAUTHORIZED",
    "the user name or the password is wrong, or the token is expired or revoked",
  );
}
