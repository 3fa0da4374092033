import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { Page } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteRefreshTokensOf } from "../token-service/refresh-token-store.ts";
import {
  findUserByName,
  hasAnyUser,
  hasOtherAdministrator,
  insertUser,
  insertUserNamespace,
  listUsers,
  type User,
  updateUser,
} from "./user-store.ts";

export type { User };

/** Would be mistaken for parts of the API, or for everybody. */
const reservedNames = new Set([
  "anonymous",
  "api",
  "v2",
  "token",
  "health",
  "metrics",
  "garbage-collector",
  "root",
]);

/** Creates a user with a namespace of the same name. `REQUEST_INVALID` for a name or password that is none, `ALREADY_EXISTS`. */
export async function createUser(
  deps: IdentityDeps,
  user: { readonly username: string; readonly password: string; readonly isAdmin: boolean },
): Promise<User> {
  checkUsername(user.username, deps.defaultNamespace);
  const passwordHash = await deps.passwords.hash(user.password);
  const nowMs = deps.clock.nowMs();
  const id = await deps.database.transaction(async (tx) => {
    const userId = await insertUser(tx, { ...user, passwordHash, nowMs });
    if (userId === undefined || !(await insertUserNamespace(tx, { name: user.username, userId, nowMs }))) {
      throw new AppError("ALREADY_EXISTS", `the name ${user.username} is taken`);
    }
    await bumpAccessVersion(tx);
    return userId;
  });
  deps.access.changed();
  return { id, username: user.username, isAdmin: user.isAdmin, isDisabled: false, createdAtMs: nowMs };
}

/** One page of users by name, and whether more follow. */
export async function listUserPage(
  deps: IdentityDeps,
  page: Page,
): Promise<{ readonly users: readonly User[]; readonly hasMore: boolean }> {
  if (page.limit === 0) return { users: [], hasMore: false };
  const rows = await listUsers(deps.database.read, { last: page.last, limit: page.limit + 1 });
  return { users: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is no such user. */
export async function getUser(deps: IdentityDeps, username: string): Promise<User> {
  const user = await findUserByName(deps.database.read, username);
  if (user === undefined)
    throw new AppError("NOT_FOUND", `there is no user ${JSON.stringify(username.slice(0, 80))}`);
  const { passwordHash: _, ...shown } = user;
  return shown;
}

/**
 * Changes a user; in force at once here, within a second or so elsewhere, tokens already issued included. `IN_USE` when nobody would be left to
 * administer the registry.
 */
export async function changeUser(
  deps: IdentityDeps,
  username: string,
  change: { readonly password?: string; readonly isAdmin?: boolean; readonly isDisabled?: boolean },
): Promise<User> {
  const user = await getUser(deps, username);
  const passwordHash = change.password === undefined ? undefined : await deps.passwords.hash(change.password);
  const { isAdmin = user.isAdmin, isDisabled = user.isDisabled } = change;
  await deps.database.transaction(async (tx) => {
    if ((!isAdmin || isDisabled) && user.isAdmin && !(await hasOtherAdministrator(tx, user.id))) {
      throw new AppError("IN_USE", "this is the last administrator who can sign in; make another one first");
    }
    // Whoever knew the old password must not stay signed in by what they got with it.
    if (passwordHash !== undefined) await deleteRefreshTokensOf(tx, user.id);
    await updateUser(tx, user.id, {
      isAdmin,
      isDisabled,
      ...(passwordHash === undefined ? {} : { passwordHash }),
    });
    await bumpAccessVersion(tx);
  });
  deps.access.changed();
  return { ...user, isAdmin, isDisabled };
}

/**
 * Creates the first administrator when there is no user at all; undefined when there is one. The password is generated unless configured, and
 * is told only here. Safe when several instances start at once: one creates, the others find it.
 */
export async function ensureFirstAdministrator(
  deps: IdentityDeps,
  first: { readonly username: string; readonly password: string | undefined },
): Promise<{ readonly username: string; readonly generatedPassword: string | undefined } | undefined> {
  if (await hasAnyUser(deps.database.read)) return undefined;
  const generatedPassword = first.password === undefined ? newSecret().slice(0, 24) : undefined;
  try {
    await createUser(deps, {
      username: first.username,
      password: first.password ?? generatedPassword ?? "",
      isAdmin: true,
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "ALREADY_EXISTS") return undefined;
    throw error;
  }
  return { username: first.username, generatedPassword };
}

/** A user's name is the first component of their repositories' names. */
function checkUsername(username: string, defaultNamespace: string): void {
  const isComponent = tryParseRepositoryName(username) !== undefined && !username.includes("/");
  if (!isComponent || username.length > 64) {
    throw new AppError(
      "REQUEST_INVALID",
      "a user name has 1 to 64 lower-case letters and digits, separated by single dots, underscores or hyphens",
    );
  }
  if (reservedNames.has(username) || username === defaultNamespace) {
    throw new AppError("REQUEST_INVALID", `the name ${username} is reserved`);
  }
}
