import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, type Json, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Tx } from "../../storage/database/database.ts";
import { hasOtherAdministrator, updateUser } from "../users/user-store.ts";
import { type Identity, listIdentitiesOfUser, updateIdentity } from "./identity-store.ts";
import { groupKey } from "./provider.ts";
import type { SignInProvider } from "./provider-store.ts";
import { type Standing, setOwnCreateOnPush } from "./standing-store.ts";

/**
 * Gives and takes what groups of the provider mean for a user: administrator, auditor, no repositories of their own. Only what a provider gave is
 * taken again: who was made an administrator here stays one, and so does the last administrator who can sign in. True = the user's rights changed.
 */
export async function applyStanding(
  tx: Tx,
  provider: SignInProvider,
  parties: { readonly identity: Identity; readonly user: Standing; readonly groups: readonly string[] },
  source: AuditSource,
  nowMs: number,
): Promise<boolean> {
  const { identity, user, groups } = parties;
  const { policy } = provider;
  const isIn = (wanted: readonly string[] | undefined) =>
    wanted?.some((name) => groups.includes(groupKey(provider.kind, name))) ?? false;
  const said = {
    givesAdmin: isIn(policy.adminGroups),
    givesAuditor: isIn(policy.auditorGroups),
    isRestricted: isIn(policy.restrictedGroups),
  };
  const isSame =
    said.givesAdmin === identity.givesAdmin &&
    said.givesAuditor === identity.givesAuditor &&
    said.isRestricted === identity.isRestricted;
  if (isSame) return false;
  await updateIdentity(tx, identity.id, said);
  const others = (await listIdentitiesOfUser(tx, user.id)).filter(({ id }) => id !== identity.id);
  const elsewhere = (given: (one: Identity) => boolean) =>
    others.some((one) => one.lostAtMs === undefined && given(one));
  const isAdmin = decide(
    user.isAdmin,
    identity.givesAdmin,
    said.givesAdmin,
    elsewhere((one) => one.givesAdmin),
  );
  const isAuditor = decide(
    user.isAuditor,
    identity.givesAuditor,
    said.givesAuditor,
    elsewhere((one) => one.givesAuditor),
  );
  // Before the look at others: changes of rights wait for one another at this row, so two administrators cannot both be the last but one.
  if (user.isAdmin && !isAdmin) await bumpAccessVersion(tx);
  const keepsAdmin = user.isAdmin && !isAdmin && !(await hasOtherAdministrator(tx, user.id));
  const change = {
    ...(isAdmin === user.isAdmin || keepsAdmin ? {} : { isAdmin }),
    ...(isAuditor === user.isAuditor ? {} : { isAuditor }),
  };
  await updateUser(tx, user.id, change);
  const isRestricted = said.isRestricted || elsewhere((one) => one.isRestricted);
  const hasRestrictionChanged =
    said.isRestricted !== identity.isRestricted && (await setOwnCreateOnPush(tx, user.id, !isRestricted));
  if (Object.keys(change).length === 0 && !hasRestrictionChanged) return false;
  const after: Json = { ...change, ...(hasRestrictionChanged ? { isRestricted } : {}) };
  await recordAudit(tx, source, nowMs, {
    action: "user.update",
    target: `user ${user.username}`,
    before: { isAdmin: user.isAdmin, isAuditor: user.isAuditor },
    after,
    detail: { because: `groups at ${provider.name}` },
  });
  return true;
}

function decide(now: boolean, gave: boolean, gives: boolean, isGivenElsewhere: boolean): boolean {
  if (gives) return true;
  return gave ? isGivenElsewhere : now;
}
