import { createHash } from "node:crypto";
import { hash, verify } from "@node-rs/argon2";
import { createSemaphore } from "../../lib/semaphore.ts";
import { checkNewPassword, maxPasswordBytes, type PasswordOwner } from "../passwords/check-new-password.ts";
import { createCommonPasswordCheck } from "../passwords/common-passwords.ts";

/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. 20 to 65 ms each, off the main thread. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Each costs 19 MiB and a core for a moment: more at once, and logins become a way to bring the registry down. */
const atOnce = 2;
const waiting = 200;
/** The hash of random bytes that nobody knows, with the parameters above. */
const decoy =
  "$argon2id$v=19$m=19456,t=2,p=1$Mwu4gdkRnM+u5jKvc8Rrnw$PvplQeTCCQ8N5cFpafOPcNFPp/5OhUdb4jnrxdQycK0";

export interface PasswordHasher {
  /** `REQUEST_INVALID` when the owner must not have it as their password (`checkNewPassword`); `OVERLOADED` when too many are waiting. */
  hash(password: string, owner: PasswordOwner): Promise<string>;
  /**
   * False for a wrong password. `hash` undefined costs the same and is false: a name that does not exist is not told by the time it takes.
   * `OVERLOADED` when too many are waiting.
   */
  verify(hash: string | undefined, password: string): Promise<boolean>;
}

export function createPasswordHasher(): PasswordHasher {
  const isCommon = createCommonPasswordCheck();
  const turns = createSemaphore(atOnce, waiting);
  return {
    async hash(password, owner) {
      await checkNewPassword(isCommon, password, owner);
      return turns.run(() => hash(password, parameters));
    },
    async verify(stored, password) {
      if (Buffer.byteLength(password) > maxPasswordBytes) return false;
      const matches = await turns.run(() => verify(stored ?? decoy, password));
      return stored !== undefined && matches;
    },
  };
}

/**
 * Tells one password of a user from the next, without telling anything of either: the hash has a random salt, so the same password set twice
 * gives two. "" for a user without password.
 */
export function passwordEpochOf(passwordHash: string | undefined): string {
  if (passwordHash === undefined) return "";
  return createHash("sha256").update(passwordHash).digest("base64url").slice(0, 16);
}
