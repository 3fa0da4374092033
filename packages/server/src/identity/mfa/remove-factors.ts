import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { notifyUser } from "../accounts/notify-user.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteSessionsOf } from "../sessions/session-store.ts";
import { type FactorOwner, hashCodes } from "./added-factor.ts";
import {
  deleteSecurityKey,
  deleteSecurityKeysOf,
  deleteTotpSeed,
  loadFactors,
  replaceRecoveryCodes,
  setUserMfa,
} from "./factor-store.ts";
import { hasSecondFactor } from "./find-factors.ts";
import { newRecoveryCodes } from "./recovery-code.ts";

/** Removes one's authenticator app; with the last factor the recovery codes go. `NOT_FOUND` when there is none. */
export function removeTotp(deps: IdentityDeps, source: AuditSource, owner: FactorOwner): Promise<void> {
  return remove(deps, source, owner, "mfa.totp-remove", (tx) => deleteTotpSeed(tx, owner.userId));
}

/** Removes one of one's security keys; with the last factor the recovery codes go. `NOT_FOUND` when it is not there. */
export function removeSecurityKey(
  deps: IdentityDeps,
  source: AuditSource,
  owner: FactorOwner,
  id: number,
): Promise<void> {
  return remove(deps, source, owner, "mfa.security-key-remove", (tx) =>
    deleteSecurityKey(tx, owner.userId, id),
  );
}

/** New recovery codes in place of the old ones, told here and never again. `NOT_FOUND` for somebody without a second factor. */
export async function renewRecoveryCodes(
  deps: IdentityDeps,
  source: AuditSource,
  owner: FactorOwner,
): Promise<readonly string[]> {
  const codes = newRecoveryCodes();
  await deps.database.transaction(async (tx) => {
    // Nobody may do anything more or less by it, but whoever changes factors or codes must do so one after the other.
    await bumpAccessVersion(tx);
    const left = await loadFactors(tx, owner.userId);
    if (left === undefined || !hasSecondFactor(left)) {
      throw new AppError("NOT_FOUND", "recovery codes stand in for a second factor; set one up first");
    }
    const nowMs = deps.clock.nowMs();
    await replaceRecoveryCodes(tx, owner.userId, hashCodes(deps, codes), nowMs);
    await recordAudit(tx, source, nowMs, {
      action: "mfa.recovery-codes-renew",
      target: `user ${owner.username}`,
    });
    await tell(deps, tx, owner, "Your recovery codes were replaced");
  });
  return codes;
}

/**
 * Takes all factors from somebody who has lost theirs, and ends their sessions: their password alone lets them in until they set up new ones. May be
 * repeated.
 */
export async function resetFactors(
  deps: IdentityDeps,
  source: AuditSource,
  owner: FactorOwner,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    // First, as above.
    await bumpAccessVersion(tx);
    const nowMs = deps.clock.nowMs();
    const hadTotp = await deleteTotpSeed(tx, owner.userId);
    const securityKeys = await deleteSecurityKeysOf(tx, owner.userId);
    await forgetFactors(tx, owner.userId, nowMs);
    await deleteSessionsOf(tx, owner.userId);
    await recordAudit(tx, source, nowMs, {
      action: "mfa.reset",
      target: `user ${owner.username}`,
      before: { hadTotp, securityKeys },
    });
    await tell(deps, tx, owner, "Your second factors were removed by an administrator");
  });
  deps.access.changed();
}

async function remove(
  deps: IdentityDeps,
  source: AuditSource,
  owner: FactorOwner,
  action: string,
  take: (tx: Tx) => Promise<boolean>,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    // First: of two that go at once, the second must see that it is the last.
    await bumpAccessVersion(tx);
    if (!(await take(tx))) throw new AppError("NOT_FOUND", "you have no such second factor");
    const nowMs = deps.clock.nowMs();
    const left = await loadFactors(tx, owner.userId);
    if (left === undefined || !hasSecondFactor(left)) await forgetFactors(tx, owner.userId, nowMs);
    await recordAudit(tx, source, nowMs, { action, target: `user ${owner.username}` });
    await tell(deps, tx, owner, "A second factor was removed");
  });
  deps.access.changed();
}

function tell(deps: IdentityDeps, tx: Tx, { userId, username }: FactorOwner, title: string): Promise<void> {
  return notifyUser(deps, tx, userId, { title, lines: [`${title}: this concerns the account ${username}.`] });
}

async function forgetFactors(tx: Tx, userId: number, nowMs: number): Promise<void> {
  await replaceRecoveryCodes(tx, userId, [], nowMs);
  await setUserMfa(tx, userId, null);
}
