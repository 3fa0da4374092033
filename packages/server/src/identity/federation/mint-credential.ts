import type { CredentialScope } from "../../access/credential-scope.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import { deleteAccessTokensNamed } from "../access-tokens/access-token-store.ts";
import { createCredential } from "../credentials/create-credential.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { TrustRule } from "./trust-rule-store.ts";

/** Makes the credential that a token was exchanged for. Short-lived, one for each exchange; gone with its rule or its account. */
export async function mintCredential(
  tx: Tx,
  deps: Pick<IdentityDeps, "clock" | "secretBox">,
  rule: TrustRule,
  credential: { readonly scopes: readonly CredentialScope[] | undefined; readonly lifetimeSeconds: number },
): Promise<{ readonly secret: string; readonly accessTokenId: number }> {
  const { token, secret } = await createCredential(tx, deps, {
    userId: rule.userId,
    username: rule.subject,
    kind: "federated",
    name: `${namePrefix(rule.id)}${newUuid()}`,
    scopes: credential.scopes,
    expiresAtMs: deps.clock.nowMs() + credential.lifetimeSeconds * 1_000,
  });
  return { secret, accessTokenId: token.id };
}

/** Revokes every credential that was got by the rule; the caller bumps the access version. */
export async function revokeMinted(tx: Tx, rule: TrustRule): Promise<void> {
  await deleteAccessTokensNamed(tx, rule.userId, namePrefix(rule.id));
}

function namePrefix(ruleId: number): string {
  return `federated/${ruleId}/`;
}
