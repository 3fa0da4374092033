import { accountKinds } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isAccountName } from "./account-name.ts";
import { findUserByName, listUsers, type User } from "./user-store.ts";

export interface UserFilter {
  /** Undefined = every kind but accounts that issuers made for their customers: there can be a hundred thousand of those. */
  readonly kind: string | undefined;
  /** What the name begins with. */
  readonly prefix: string;
}

/** One page of accounts by name in byte order, and whether more follow. */
export async function listUserPage(
  deps: IdentityDeps,
  page: Page,
  filter: UserFilter = { kind: undefined, prefix: "" },
): Promise<{ readonly users: readonly User[]; readonly hasMore: boolean }> {
  if (page.limit === 0) return { users: [], hasMore: false };
  // PostgreSQL cannot even compare with it.
  if (page.last?.includes("\0")) throw new AppError("REQUEST_INVALID", "`last` is no user name");
  const { kind, prefix } = filter;
  const kinds = accountKinds.filter((one) => (kind === undefined ? one !== "issued" : one === kind));
  // Nobody is called anything else, and PostgreSQL cannot compare with everything.
  if (!/^[a-z0-9._+-]*$/.test(prefix)) return { users: [], hasMore: false };
  const asked = { last: page.last, limit: page.limit + 1, kinds, prefix };
  const rows = await listUsers(deps.database.read, asked);
  return { users: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is no such user. */
export async function getUser(deps: IdentityDeps, username: string): Promise<User> {
  const found = isAccountName(username) ? await findUserByName(deps.database.read, username) : undefined;
  if (found === undefined) throw noSuchUser(username);
  const { passwordHash: _, ...user } = found;
  return user;
}

/** As `getUser`; `REQUEST_INVALID` for an account that is no person's: those are looked after where they belong. */
export async function getPerson(deps: IdentityDeps, username: string): Promise<User> {
  const user = await getUser(deps, username);
  if (user.kind === "person") return user;
  throw new AppError("REQUEST_INVALID", `${username} is no person; change it where it belongs`);
}

export type { User };

export function noSuchUser(username: string): AppError {
  return new AppError("NOT_FOUND", `there is no user ${JSON.stringify(username.slice(0, 80))}`);
}
