import { AppError } from "../../lib/app-error.ts";
import { accessTokenPrefix } from "../access-tokens/secret.ts";
import { isMachineName } from "../users/account-name.ts";
import { clientPasswordPrefix } from "./client-password.ts";

/** What the registry and its token service take of people's passwords: them, what is sealed from them, or neither. Tokens are always taken. */
export const registryPasswordPolicies = ["allowed", "encrypted", "refused"] as const;
export type RegistryPasswordPolicy = (typeof registryPasswordPolicies)[number];

/**
 * `UNAUTHORIZED`, with what to do instead, for a password that docker and its like may not send here. Told before the password is looked at, so that
 * nobody can try passwords out where they are not taken.
 */
export function checkRegistryPassword(
  policy: RegistryPasswordPolicy,
  username: string,
  secret: string,
): void {
  if (policy === "allowed" || secret.startsWith(accessTokenPrefix) || isMachineName(username)) return;
  const isSealed = secret.startsWith(clientPasswordPrefix);
  if (isSealed && policy === "encrypted") return;
  throw new AppError(
    "UNAUTHORIZED",
    policy === "encrypted"
      ? "account passwords are not taken here: log in with an access token or an encrypted client password, which the registry makes for you"
      : "passwords are not taken here: log in with an access token, which the registry makes for you",
  );
}
