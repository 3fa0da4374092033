import { AppError } from "../../lib/app-error.ts";
import { accessTokenPrefix } from "../access-tokens/secret.ts";
import type { CommonPasswordCheck } from "./common-passwords.ts";

/** NIST SP 800-63B, 5.1.1.2: at least 8 characters, all kinds taken, none demanded; what is common or follows from the name is refused. */
const minLength = 8;
export const maxPasswordBytes = 1_024;

/** Whose password it will be. */
export interface PasswordOwner {
  readonly username: string;
  readonly email?: string | undefined;
}

/**
 * Refuses what must not become a password: `REQUEST_INVALID` with why. Asked wherever one is set, never of one that is in use: nobody is locked out by
 * a longer list.
 */
export async function checkNewPassword(
  isCommon: CommonPasswordCheck,
  password: string,
  owner: PasswordOwner,
): Promise<void> {
  const bytes = Buffer.byteLength(password);
  // Characters as people count them, so that four emoji are four.
  if (Array.from(password).length < minLength || bytes > maxPasswordBytes) {
    throw refused(`a password has at least ${minLength} characters and at most ${maxPasswordBytes} bytes`);
  }
  if (password.startsWith(accessTokenPrefix)) {
    throw refused(`a password does not begin with ${accessTokenPrefix}: access tokens do`);
  }
  if (followsFromName(password, owner)) {
    throw refused("the password is the name or the e-mail address with little beside it; choose another");
  }
  if (new Set(password.toLowerCase()).size < 3) {
    throw refused("the password is the same character again and again; choose another");
  }
  if (await isCommon(password)) {
    throw refused("this password is among those that everybody tries first; choose another");
  }
}

/** The name, the address or its parts, whatever digits and signs stand around it. */
function followsFromName(password: string, { username, email = "" }: PasswordOwner): boolean {
  const core = lettersOf(password);
  const names = [username, email, ...email.split("@"), "entrepot"]
    .map(lettersOf)
    .filter((name) => name !== "");
  return names.some((name) => core === name || core === name + name);
}

function lettersOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}]/gu, "");
}

function refused(why: string): AppError {
  return new AppError("REQUEST_INVALID", why);
}
