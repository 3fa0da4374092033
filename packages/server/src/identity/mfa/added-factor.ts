import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import type { Tx } from "../../storage/database/database.ts";
import { notifyUser } from "../accounts/notify-user.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { markAuthenticated } from "../sessions/session-store.ts";
import { deletePasswordRefreshTokensOf } from "../token-service/refresh-token-store.ts";
import { countRecoveryCodes, replaceRecoveryCodes, setUserMfa } from "./factor-store.ts";
import { newRecoveryCodes, plainRecoveryCode } from "./recovery-code.ts";

/** Whose factors are changed, and in which session. */
export interface FactorOwner {
  readonly userId: number;
  readonly username: string;
  readonly sessionId?: number | undefined;
}

/**
 * What follows from a new factor, in the transaction that adds it: the session counts as proved with it, what was got by password alone ends, and
 * with the first factor come recovery codes, which are told here and never again.
 */
export async function settleAddedFactor(
  deps: IdentityDeps,
  tx: Tx,
  call: Call,
  owner: FactorOwner,
  audit: { readonly action: string; readonly detail?: { readonly name: string } },
): Promise<readonly string[] | undefined> {
  const nowMs = deps.clock.nowMs();
  const { userId, sessionId } = owner;
  await bumpAccessVersion(tx);
  await setUserMfa(tx, userId, nowMs);
  if (sessionId !== undefined) await markAuthenticated(tx, sessionId, { nowMs, isMfa: true });
  await deletePasswordRefreshTokensOf(tx, userId);
  const codes = (await countRecoveryCodes(tx, userId)) === 0 ? newRecoveryCodes() : undefined;
  if (codes !== undefined) await replaceRecoveryCodes(tx, userId, hashCodes(deps, codes), nowMs);
  await recordAudit(tx, call, nowMs, { ...audit, target: `user ${owner.username}` });
  await notifyUser(deps, tx, userId, {
    title: "A second factor was added",
    lines: [`The account ${owner.username} has another second factor to sign in with.`],
  });
  return codes;
}

/** Recovery codes as they are stored. */
export function hashCodes(deps: IdentityDeps, codes: readonly string[]): readonly string[] {
  return codes.map((code) => deps.secretBox.hash(plainRecoveryCode(code)));
}
