import { findRenamedNamespace } from "../../access/namespace-alias-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isAccountName, isMachineName } from "../users/account-name.ts";

/**
 * What an account of a program is called now: robots and issued accounts are called as their namespace, and go on signing in by the name that it had
 * before, as long as that leads to it. Any other name comes back as it is. Cached by the access version.
 */
export async function presentAccountName(
  deps: Pick<IdentityDeps, "cache" | "database">,
  username: string,
): Promise<string> {
  if (!isMachineName(username) || !isAccountName(username)) return username;
  const [namespace = "", ...rest] = username.split("+");
  const { found } = await deps.cache.get(`namespace called before ${namespace}`, async () => ({
    found: await findRenamedNamespace(deps.database.read, namespace),
  }));
  return found === undefined ? username : [found, ...rest].join("+");
}
