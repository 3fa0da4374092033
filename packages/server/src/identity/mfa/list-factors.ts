import type { IdentityDeps } from "../identity-deps.ts";
import { countRecoveryCodes, findTotpSeed, listSecurityKeys } from "./factor-store.ts";

/** What a user has set up, without any secret. */
export async function listFactors(deps: IdentityDeps, userId: number) {
  const { read } = deps.database;
  const totp = await findTotpSeed(read, userId);
  const keys = await listSecurityKeys(read, userId);
  return {
    totp:
      totp === undefined ? null : { createdAtMs: totp.createdAtMs, lastUsedAtMs: totp.lastUsedAtMs ?? null },
    securityKeys: keys.map(({ id, name, createdAtMs, lastUsedAtMs }) => ({
      id,
      name,
      createdAtMs,
      lastUsedAtMs: lastUsedAtMs ?? null,
    })),
    recoveryCodesLeft: await countRecoveryCodes(read, userId),
  };
}
