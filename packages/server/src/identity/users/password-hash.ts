import { hash, verify } from "@node-rs/argon2";
import { AppError } from "../../lib/app-error.ts";
import { createSemaphore } from "../../lib/semaphore.ts";

/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. 20 to 65 ms each, off the main thread. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const minLength = 8;
const maxBytes = 1_024;
/** Each costs 19 MiB and a core for a moment: more at once, and logins become a way to bring the registry down. */
const atOnce = 2;
const waiting = 200;

export interface PasswordHasher {
  /** `REQUEST_INVALID` when it is too short or too long. */
  hash(password: string): Promise<string>;
  /** False for a wrong password. `hash` undefined costs the same and is false: a name that does not exist is not told by the time it takes. */
  verify(hash: string | undefined, password: string): Promise<boolean>;
}

export function createPasswordHasher(): PasswordHasher {
  const turns = createSemaphore(atOnce, waiting);
  let decoy: Promise<string> | undefined;
  return {
    hash(password) {
      const bytes = Buffer.byteLength(password);
      if (password.length < minLength || bytes > maxBytes) {
        throw new AppError(
          "REQUEST_INVALID",
          `a password has at least ${minLength} characters and at most ${maxBytes} bytes`,
        );
      }
      return turns.run(() => hash(password, parameters));
    },
    async verify(stored, password) {
      if (Buffer.byteLength(password) > maxBytes) return false;
      decoy ??= hash("no password at all", parameters);
      const against = stored ?? (await decoy);
      const matches = await turns.run(() => verify(against, password));
      return stored !== undefined && matches;
    },
  };
}
