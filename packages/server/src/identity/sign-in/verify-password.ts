import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { AppError } from "../../lib/app-error.ts";
import { createLru } from "../../lib/create-lru.ts";
import { findSignUpHash } from "../accounts/account-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { findUserByName, type UserWithHash } from "../users/user-store.ts";
import { isActive, type Living } from "./living.ts";

/** The user of that name, as everybody knows them now. */
export async function findCached(
  deps: Pick<IdentityDeps, "cache" | "database">,
  username: string,
): Promise<UserWithHash | undefined> {
  const { found } = await deps.cache.get(`user ${username}`, async () => ({
    found: await findUserByName(deps.database.read, username),
  }));
  return found;
}

const knownForMs = 60_000;

/**
 * Finds the user whose password it is; undefined when there is none, it is another, or the user is disabled. `UNAUTHORIZED`, saying so, when it is that of
 * somebody who has signed up and not followed the link yet. That a password was right is remembered
 * for a minute, so that argon2 does not run for each of a client's Basic requests; and the same question asked several times at once is
 * answered once. Both are keyed by the hash and a secret of this process: a changed password is another question.
 */
export function createPasswordVerifier(
  deps: IdentityDeps,
): (username: string, password: string) => Promise<Living | undefined> {
  const key = createSecretKey(randomBytes(32));
  const known = createLru<string, { readonly untilMs: number }>(10_000);
  const asked = new Map<string, Promise<boolean>>();

  async function matches(hash: string | undefined, password: string): Promise<boolean> {
    const mark = createHmac("sha256", key)
      .update(`${hash ?? ""}\0${password}`)
      .digest("base64");
    const nowMs = deps.clock.nowMs();
    const before = hash === undefined ? undefined : known.get(mark);
    // The second half as the clock may have been set back.
    if (before !== undefined && before.untilMs > nowMs && before.untilMs <= nowMs + knownForMs) return true;
    let answer = asked.get(mark);
    if (answer === undefined) {
      answer = deps.passwords.verify(hash, password).finally(() => asked.delete(mark));
      asked.set(mark, answer);
    }
    const isRight = await answer;
    if (isRight) known.set(mark, { untilMs: nowMs + knownForMs });
    return isRight;
  }

  return async (username, password) => {
    const found = await findCached(deps, username);
    // In place of a hash that nobody knows: whether somebody has signed up is not told by the time it takes either.
    const waiting =
      found === undefined
        ? await findSignUpHash(deps.database.read, username, deps.clock.nowMs())
        : undefined;
    const isRight = await matches(found?.passwordHash ?? waiting, password);
    if (isRight && found === undefined) throw notConfirmed();
    if (!isRight || found === undefined || !isActive(found, deps.clock.nowMs())) return undefined;
    const { passwordHash, ...user } = found;
    return { user, accessToken: undefined, passwordEpoch: passwordEpochOf(passwordHash) };
  };
}

function notConfirmed(): AppError {
  return new AppError(
    "UNAUTHORIZED",
    "this account waits for its e-mail address to be confirmed: follow the link in the mail, then sign in",
  );
}
