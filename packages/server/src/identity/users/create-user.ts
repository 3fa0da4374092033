import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, byRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertUser, insertUserNamespace, type User } from "./user-store.ts";
import { isReservedName, isUsername } from "./username.ts";

/**
 * Creates a user with a namespace of the same name, both or neither. `REQUEST_INVALID` for a name or password that is none, `ALREADY_EXISTS` when a
 * user or a namespace has the name, `DENIED` for an administrator made by one who is it for a time only.
 */
export async function createUser(
  deps: IdentityDeps,
  user: { readonly username: string; readonly password: string; readonly isAdmin: boolean },
  source: AuditSource = byRegistry,
): Promise<User> {
  if (user.isAdmin && source.actor.kind === "user" && source.actor.isElevatedAdmin === true) {
    throw new AppError("DENIED", "an administrator for a time makes nobody an administrator for good");
  }
  checkUsername(user.username, deps.defaultNamespace);
  const passwordHash = await deps.passwords.hash(user.password, user);
  const nowMs = deps.clock.nowMs();
  const id = await deps.database.transaction(async (tx) => {
    const userId = await insertUser(tx, { ...user, passwordHash, nowMs });
    if (userId === undefined || !(await insertUserNamespace(tx, { name: user.username, userId, nowMs }))) {
      throw new AppError("ALREADY_EXISTS", `the name ${user.username} is taken`);
    }
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, nowMs, {
      action: "user.create",
      target: `user ${user.username}`,
      namespace: user.username,
      after: { isAdmin: user.isAdmin },
    });
    return userId;
  });
  deps.access.changed();
  return {
    id,
    username: user.username,
    kind: "person",
    isAdmin: user.isAdmin,
    isAuditor: false,
    isDisabled: false,
    email: undefined,
    createdAtMs: nowMs,
    expiresAtMs: undefined,
  };
}

/** `REQUEST_INVALID` for a name that is none, or is reserved. */
export function checkUsername(username: string, defaultNamespace: string): void {
  if (!isUsername(username)) {
    throw new AppError(
      "REQUEST_INVALID",
      "a user name has 1 to 64 lower-case letters and digits, in between single dots, one or two underscores or hyphens",
    );
  }
  if (isReservedName(username, defaultNamespace)) {
    throw new AppError("REQUEST_INVALID", `the name ${username} is reserved`);
  }
}
