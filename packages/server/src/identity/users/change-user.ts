import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, byRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { notifyUser } from "../accounts/notify-user.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteSessionsOf } from "../sessions/session-store.ts";
import { keepAllAdministrable } from "../teams/keep-administrable.ts";
import { deleteRefreshTokensOf } from "../token-service/refresh-token-store.ts";
import { getPerson, noSuchUser } from "./find-users.ts";
import {
  deleteEmptyNamespaceOf,
  deleteUserRow,
  hasOtherAdministrator,
  lockUser,
  type User,
  updateUser,
} from "./user-store.ts";

export interface UserChange {
  readonly password?: string;
  readonly isAdmin?: boolean;
  readonly isAuditor?: boolean;
  readonly isDisabled?: boolean;
}

/**
 * Changes what is given and nothing else. In force at once here, within a second or so elsewhere, tokens already issued included: a new password
 * ends every session that was begun with the old one, access tokens stay. `NOT_FOUND`; `REQUEST_INVALID` for a password that is none; `IN_USE`
 * when nobody would be left to administer the registry. May be repeated.
 */
export async function changeUser(
  deps: IdentityDeps,
  username: string,
  change: UserChange,
  source: AuditSource = byRegistry,
): Promise<User> {
  if (change.isAdmin === true && source.actor.kind === "user" && source.actor.isElevatedAdmin === true) {
    throw new AppError("DENIED", "an administrator for a time makes nobody an administrator for good");
  }
  const owner = await getPerson(deps, username); // Hashing is dear, so not for nobody.
  const { password, ...standing } = change;
  const passwordHash = password === undefined ? undefined : await deps.passwords.hash(password, owner);
  const user = await deps.database.transaction(async (tx) => {
    const before = await lockUser(tx, username);
    if (before === undefined) throw noSuchUser(username);
    const after = { ...before, ...standing };
    // Before the look at others: changes of rights wait for one another at this row, so two administrators cannot remove each other.
    await bumpAccessVersion(tx);
    if (!after.isAdmin || after.isDisabled) await keepAnAdministrator(tx, before);
    // Whoever knew the old password must not stay signed in by what they got with it.
    if (passwordHash !== undefined) await deleteRefreshTokensOf(tx, before.id);
    if (passwordHash !== undefined || after.isDisabled) await deleteSessionsOf(tx, before.id);
    await updateUser(tx, before.id, { ...standing, ...(passwordHash === undefined ? {} : { passwordHash }) });
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "user.update",
      target: `user ${username}`,
      before: standingOf(before, standing),
      after: { ...standing, ...(passwordHash === undefined ? {} : { password: "changed" }) },
    });
    if (passwordHash !== undefined) {
      await notifyUser(deps, tx, before.id, {
        title: "Your password was changed",
        lines: [`The password of the account ${username} was changed by an administrator of the registry.`],
      });
    }
    return after;
  });
  deps.access.changed();
  return user;
}

/**
 * Deletes a user with their namespace, tokens and grants; history keeps the name, and somebody else may take it. `NOT_FOUND`; `IN_USE` while there
 * are repositories in the namespace, and when nobody would be left to administer the registry or an organization.
 */
export async function deleteUser(
  deps: IdentityDeps,
  username: string,
  source: AuditSource = byRegistry,
): Promise<void> {
  await getPerson(deps, username);
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const user = await lockUser(tx, username);
    if (user === undefined) throw noSuchUser(username);
    await bumpAccessVersion(tx);
    await keepAnAdministrator(tx, user);
    if (!(await deleteEmptyNamespaceOf(tx, user.id))) {
      throw new AppError(
        "IN_USE",
        `${username} has repositories; delete them first, or disable the user instead`,
      );
    }
    await keepAllAdministrable(tx, user.id, nowMs, () => deleteUserRow(tx, user.id));
    const { isAdmin, isAuditor, isDisabled } = user;
    await recordAudit(tx, source, nowMs, {
      action: "user.delete",
      target: `user ${username}`,
      before: { isAdmin, isAuditor, isDisabled },
    });
  });
  deps.access.changed();
}

/** What the parts that a change names were before. */
function standingOf(user: User, change: Omit<UserChange, "password">): { readonly [key: string]: boolean } {
  const { isAdmin, isAuditor, isDisabled } = user;
  return Object.fromEntries(
    Object.entries({ isAdmin, isAuditor, isDisabled }).filter(([name]) => Object.hasOwn(change, name)),
  );
}

async function keepAnAdministrator(tx: Tx, user: User): Promise<void> {
  if (!user.isAdmin || user.isDisabled || (await hasOtherAdministrator(tx, user.id))) return;
  throw new AppError("IN_USE", "this is the last administrator who can sign in; make another one first");
}
