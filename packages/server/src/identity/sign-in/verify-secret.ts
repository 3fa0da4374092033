import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { type MaybePromise, whenReady } from "../../lib/maybe-promise.ts";
import { findAccessTokenById } from "../access-tokens/access-token-store.ts";
import { accessTokenPrefix, hashSecret, isAccessTokenSecret } from "../access-tokens/secret.ts";
import { suppliedSecretKey } from "../credentials/create-credential.ts";
import { findSecret, listSecrets } from "../credentials/secret-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { limitByIssuer } from "../issuers/limit-by-issuer.ts";
import { findFactors, hasSecondFactor } from "../mfa/find-factors.ts";
import type { AskProviders } from "../providers/ask-providers.ts";
import { limitByOwner } from "../robots/limit-by-owner.ts";
import { isAccountName, isMachineName } from "../users/account-name.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { findUserById, findUserByName } from "../users/user-store.ts";
import { createAccountGuard } from "./account-guard.ts";
import { clientPasswordPrefix, openClientPassword } from "./client-password.ts";
import { actorOf, hasSecret, isActive, isUsable, type Living } from "./living.ts";
import { presentAccountName } from "./present-account-name.ts";
import { createUseRecorder } from "./record-use.ts";
import { createSignInThrottle } from "./sign-in-throttle.ts";
import { createPasswordVerifier } from "./verify-password.ts";
import { createPasswordWatch } from "./watch-passwords.ts";

/** Turns what a client shows into a user. Wrong and unknown are the same `UNAUTHORIZED`. */
export interface SecretVerifier {
  /**
   * A user name with a password, or with something in its place: an access token of that user, or their encrypted client password; and the name of
   * a program's account with the secret that was supplied for it. A name without a password of ours is asked of the sign-in providers.
   * `TOOMANYREQUESTS` after too many wrong ones, `OVERLOADED` when too many sign in at once, `UNAVAILABLE` when a provider that would know does
   * not answer. Whoever has a second factor needs a token: a password alone is refused, which only those learn who know it.
   */
  verify(username: string, secret: string, remoteAddress: string): Promise<UserActor>;
  /** A user name with a password and nothing else, for a browser. As `verify`; only people sign in so. */
  verifyPassword(username: string, password: string, remoteAddress: string): Promise<UserActor>;
  /** An access token alone. */
  verifyAccessToken(secret: string, remoteAddress: string): Promise<UserActor>;
  /**
   * The user of a token that was issued before, if they may still use it, from that address: not deleted, not disabled, and the access token it was
   * got with neither revoked nor expired nor meant for other networks, nor the one of its secrets that was shown. Cached by the access version.
   */
  findLiving(
    userId: number,
    accessTokenId: number | undefined,
    remoteAddress: string,
    secretId?: number,
  ): MaybePromise<Living | undefined>;
}

/** Whom an access token's secret belongs to, and which it is. */
interface Shown {
  readonly living: Living;
  readonly secretId: number;
}

/** Without `askProviders` there are only passwords of ours. */
export function createSecretVerifier(
  deps: IdentityDeps,
  askProviders: AskProviders = async () => undefined,
): SecretVerifier {
  const throttle = createSignInThrottle(deps.clock);
  const guard = createAccountGuard(deps);
  const verifyPassword = createPasswordVerifier(deps);
  const recordUse = createUseRecorder(deps);
  const watchPasswords = createPasswordWatch(deps);

  const findLiving: SecretVerifier["findLiving"] = (userId, accessTokenId, remoteAddress, secretId) => {
    const found = deps.cache.find(`living ${userId} ${accessTokenId ?? ""}`, () =>
      loadLiving(deps, userId, accessTokenId),
    );
    return whenReady(found, (living) => {
      const nowMs = deps.clock.nowMs();
      if (living === undefined || !isActive(living.user, nowMs)) return undefined;
      if (secretId !== undefined && !hasSecret(living, secretId, nowMs)) return undefined;
      const { accessToken } = living;
      return accessToken === undefined || isUsable(accessToken, nowMs, remoteAddress) ? living : undefined;
    });
  };

  async function findBySecret(hashes: readonly string[], remoteAddress: string): Promise<Shown | undefined> {
    const found = await deps.cache.find(`secret ${hashes[0]}`, () => findSecret(deps.database.read, hashes));
    if (found === undefined) return undefined;
    if (found.expiresAtMs !== undefined && found.expiresAtMs <= deps.clock.nowMs()) return undefined;
    const living = await findLiving(found.userId, found.accessTokenId, remoteAddress);
    if (living?.accessToken !== undefined) await recordUse(living.accessToken.id, remoteAddress);
    return living && { living, secretId: found.id };
  }

  async function findByAccessToken(secret: string, remoteAddress: string): Promise<Shown | undefined> {
    if (!isAccessTokenSecret(secret)) return undefined;
    // The last is how hashes were before they had a key.
    return findBySecret([...deps.secretBox.hashes(secret), hashSecret(secret)], remoteAddress);
  }

  /** Not told apart from a password that is wrong, and counted as one: somebody has thought of it. */
  async function findBySuppliedSecret(
    username: string,
    secret: string,
    remoteAddress: string,
  ): Promise<Shown | undefined> {
    const user = await deps.cache.find(`machine ${username}`, () =>
      findUserByName(deps.database.read, username),
    );
    if (user === undefined) return undefined;
    return findBySecret(deps.secretBox.hashes(suppliedSecretKey(user.id, secret)), remoteAddress);
  }

  async function findByClientPassword(secret: string, remoteAddress: string): Promise<Living | undefined> {
    const opened = openClientPassword(deps.secretBox, secret);
    const living = opened && (await findLiving(opened.userId, undefined, remoteAddress));
    return living !== undefined && living.passwordEpoch === opened?.passwordEpoch ? living : undefined;
  }

  /** Names elsewhere have other forms than ours: people type what they always type. */
  async function signInElsewhere(
    username: string,
    password: string,
    remoteAddress: string,
  ): Promise<Living | undefined> {
    const userId = await askProviders(username, password, remoteAddress);
    return userId === undefined ? undefined : findLiving(userId, undefined, remoteAddress);
  }

  /** Counts wrong ones, as they could be guessed. */
  async function signIn(username: string, secret: string, remoteAddress: string): Promise<UserActor> {
    await guard.check(username, remoteAddress);
    const attempt = throttle.begin(remoteAddress, username, secret);
    const isOurs = isAccountName(username);
    const isMachine = isOurs && isMachineName(username);
    try {
      const shown = isMachine ? await findBySuppliedSecret(username, secret, remoteAddress) : undefined;
      const found = isMachine
        ? shown?.living
        : ((isOurs ? await verifyPassword(username, secret) : undefined) ??
          (await signInElsewhere(username, secret, remoteAddress)));
      if (found === undefined) throw wrong();
      attempt.succeeded();
      await guard.succeeded({ userId: found.user.id, username }, remoteAddress);
      return actorOf(found, isMachine ? "access-token" : "password", shown?.secretId);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") attempt.abandoned();
      else if (attempt.isNew) guard.failed(username, remoteAddress);
      throw error;
    }
  }

  return {
    findLiving,
    async verify(name, secret, remoteAddress) {
      const username = await presentAccountName(deps, name);
      // 256 random bits cannot be guessed, so wrong ones are not counted: they would only lock out others behind the same address.
      if (secret.startsWith(accessTokenPrefix)) {
        const found = await findByAccessToken(secret, remoteAddress);
        if (found === undefined || found.living.user.username !== username) throw wrong();
        return actorOf(found.living, "access-token", found.secretId);
      }
      if (secret.startsWith(clientPasswordPrefix)) {
        const found = await findByClientPassword(secret, remoteAddress);
        if (found === undefined || found.user.username !== username) throw wrong();
        // It stands for the password, and was perhaps made when that was enough.
        if (hasSecondFactor(await findFactors(deps, found.user.id))) throw needsToken();
        return actorOf(found, "client-password");
      }
      const actor = await signIn(username, secret, remoteAddress);
      if (actor.account === "person") {
        if (hasSecondFactor(await findFactors(deps, actor.userId))) throw needsToken();
        await watchPasswords(actor.userId, remoteAddress);
      }
      return actor;
    },
    async verifyPassword(username, password, remoteAddress) {
      if (password.startsWith(accessTokenPrefix)) throw wrong();
      const actor = await signIn(username, password, remoteAddress);
      if (actor.account !== "person") throw wrong();
      return actor;
    },
    async verifyAccessToken(secret, remoteAddress) {
      const found = await findByAccessToken(secret, remoteAddress);
      if (found === undefined) throw wrong();
      return actorOf(found.living, "access-token", found.secretId);
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
  if (accessToken?.userId !== userId) return undefined;
  const secrets = (await listSecrets(database.read, [accessTokenId])).get(accessTokenId) ?? [];
  const living = { user, accessToken, secrets, passwordEpoch: undefined };
  if (user.kind === "issued") return limitByIssuer(database.read, living);
  return user.kind === "robot" ? { ...living, user: await limitByOwner(database.read, user) } : living;
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
