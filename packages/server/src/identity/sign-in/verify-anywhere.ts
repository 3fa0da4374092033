import type { ExternalActor, UserActor } from "../../access/actor.ts";
import { accessTokenPrefix } from "../access-tokens/secret.ts";
import type { SignInSite } from "../decision-points/sign-in-outside.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isAccountName, isMachineName } from "../users/account-name.ts";
import { clientPasswordPrefix } from "./client-password.ts";
import { checkRegistryPassword } from "./registry-passwords.ts";
import { findCached } from "./verify-password.ts";
import type { SecretVerifier } from "./verify-secret.ts";

/**
 * As `SecretVerifier.verify`, and a name that nobody has here is asked for outside first, where somebody is to be asked. Whoever has a name here is asked
 * for here: no authority outside can speak for them. `UNAVAILABLE` when those who are asked do not answer.
 */
export async function verifyAnywhere(
  deps: Pick<IdentityDeps, "cache" | "database" | "outside" | "passwordsOnRegistry">,
  secrets: SecretVerifier,
  { username, secret }: { readonly username: string; readonly secret: string },
  site: SignInSite,
  isRegistry: boolean,
): Promise<UserActor | ExternalActor> {
  const isOurs =
    deps.outside === undefined ||
    secret.startsWith(accessTokenPrefix) ||
    secret.startsWith(clientPasswordPrefix) ||
    (isAccountName(username) &&
      (isMachineName(username) || (await findCached(deps, username)) !== undefined));
  const outsider = isOurs
    ? undefined
    : await deps.outside?.signIn({ kind: "basic", username, password: secret }, site);
  if (outsider !== undefined) return outsider;
  // What another platform's people have as passwords is that platform's business.
  if (isRegistry) checkRegistryPassword(deps.passwordsOnRegistry, username, secret);
  return secrets.verify(username, secret, site.remoteAddress);
}
