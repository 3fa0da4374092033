import type { CredentialScope } from "../../access/credential-scope.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import { deleteAccessTokensNamed, insertAccessToken } from "../access-tokens/access-token-store.ts";
import { hashSecret, newAccessTokenSecret } from "../access-tokens/secret.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { TrustRule } from "./trust-rule-store.ts";

/** Makes the credential that a token was exchanged for. Short-lived, one for each exchange; gone with its rule or its account. */
export async function mintCredential(
  tx: Tx,
  deps: Pick<IdentityDeps, "clock">,
  rule: TrustRule,
  credential: { readonly scopes: readonly CredentialScope[] | undefined; readonly lifetimeSeconds: number },
): Promise<{ readonly secret: string; readonly accessTokenId: number }> {
  const nowMs = deps.clock.nowMs();
  const secret = newAccessTokenSecret();
  const token = await insertAccessToken(tx, {
    userId: rule.userId,
    name: `${namePrefix(rule.id)}${newUuid()}`,
    secretHash: hashSecret(secret),
    scopes: credential.scopes,
    nowMs,
    expiresAtMs: nowMs + credential.lifetimeSeconds * 1_000,
  });
  if (token === undefined) throw new Error("two credentials got one random name");
  return { secret, accessTokenId: token.id };
}

/** Revokes every credential that was got by the rule; the caller bumps the access version. */
export async function revokeMinted(tx: Tx, rule: TrustRule): Promise<void> {
  await deleteAccessTokensNamed(tx, rule.userId, namePrefix(rule.id));
}

function namePrefix(ruleId: number): string {
  return `federated/${ruleId}/`;
}
