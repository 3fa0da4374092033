import { type AccountKind, accountKinds } from "../../access/actor.ts";
import { isNameKept } from "../../access/namespace-alias-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forShare, forUpdate } from "../../storage/database/row-locks.ts";

export interface User {
  readonly id: number;
  readonly username: string;
  readonly kind: AccountKind;
  readonly isAdmin: boolean;
  readonly isAuditor: boolean;
  readonly isDisabled: boolean;
  readonly email: string | undefined;
  readonly createdAtMs: number;
  /** Cannot sign in from then on. */
  readonly expiresAtMs: number | undefined;
}

export interface UserWithHash extends User {
  readonly passwordHash: string | undefined;
}

const columns = [
  "id",
  "username",
  "kind",
  "is_admin",
  "is_auditor",
  "is_disabled",
  "email",
  "created_at_ms",
  "expires_at_ms",
] as const;
const allColumns = [...columns, "password_hash"] as const;

export async function findUserByName(db: Queryable, username: string): Promise<UserWithHash | undefined> {
  const query = db.selectFrom("users").select(allColumns).where("username", "=", username);
  return withHash(await query.executeTakeFirst());
}

export async function findUserById(db: Queryable, id: number): Promise<UserWithHash | undefined> {
  const query = db.selectFrom("users").select(allColumns).where("id", "=", id);
  return withHash(await query.executeTakeFirst());
}

/** The user as they are now, and until this transaction ends. */
export async function lockUser(tx: Tx, username: string): Promise<User | undefined> {
  const query = tx.selectFrom("users").select(columns).where("username", "=", username);
  const row = await forUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toUser(row);
}

/** The user with their password as they are until this transaction ends; several transactions may hold them so at once. */
export async function holdUser(tx: Tx, id: number): Promise<UserWithHash | undefined> {
  const query = tx.selectFrom("users").select(allColumns).where("id", "=", id);
  return withHash(await forShare(tx, query).executeTakeFirst());
}

/** The account of that name, which then stays until this transaction ends. */
export async function holdAccount(
  tx: Tx,
  username: string,
): Promise<
  { readonly id: number; readonly kind: AccountKind; readonly namespaceId: number | undefined } | undefined
> {
  const query = tx
    .selectFrom("users")
    .select(["id", "kind", "namespace_id"])
    .where("username", "=", username);
  const row = await forKeyShare(tx, query).executeTakeFirst();
  return row === undefined
    ? undefined
    : { id: row.id, kind: toAccountKind(row.kind), namespaceId: row.namespace_id ?? undefined };
}

export async function hasAnyUser(db: Queryable): Promise<boolean> {
  return (await db.selectFrom("users").select("id").limit(1).executeTakeFirst()) !== undefined;
}

/** Users by name in byte order after `last`. */
export async function listUsers(
  db: Queryable,
  page: {
    readonly last: string | undefined;
    readonly limit: number;
    readonly kinds: readonly AccountKind[];
    readonly prefix: string;
  },
): Promise<readonly User[]> {
  let query = db
    .selectFrom("users")
    .select(columns)
    .where("kind", "in", [...page.kinds])
    .orderBy("username")
    .limit(page.limit);
  if (page.prefix !== "") {
    // "~" follows everything that a name can have.
    query = query.where("username", ">=", page.prefix).where("username", "<", `${page.prefix}~`);
  }
  if (page.last !== undefined) query = query.where("username", ">", page.last);
  return (await query.execute()).map(toUser);
}

/** Inserts a user; undefined when the name is taken. */
export async function insertUser(
  tx: Tx,
  user: {
    readonly username: string;
    readonly passwordHash: string | undefined;
    readonly isAdmin: boolean;
    readonly nowMs: number;
  },
): Promise<number | undefined> {
  const row = await tx
    .insertInto("users")
    .values({
      username: user.username,
      password_hash: user.passwordHash ?? null,
      is_admin: user.isAdmin ? 1 : 0,
      is_disabled: 0,
      created_at_ms: user.nowMs,
    })
    .onConflict((conflict) => conflict.column("username").doNothing())
    .returning("id")
    .executeTakeFirst();
  return row?.id;
}

/** Gives the user a namespace of their name; false when somebody else has it, or it is reserved. */
export async function insertUserNamespace(
  tx: Tx,
  namespace: { readonly name: string; readonly userId: number; readonly nowMs: number },
): Promise<boolean> {
  const row = await tx
    .insertInto("namespaces")
    .values({
      name: namespace.name,
      kind: "user",
      owner_user_id: namespace.userId,
      default_visibility: "private",
      create_on_push: 1,
      created_at_ms: namespace.nowMs,
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("id")
    .executeTakeFirst();
  return row !== undefined && !(await isNameKept(tx, namespace.name));
}

export async function updateUser(
  tx: Tx,
  id: number,
  change: {
    readonly passwordHash?: string;
    readonly isAdmin?: boolean;
    readonly isAuditor?: boolean;
    readonly isDisabled?: boolean;
  },
): Promise<void> {
  const values = {
    ...(change.passwordHash === undefined ? {} : { password_hash: change.passwordHash }),
    ...(change.isAdmin === undefined ? {} : { is_admin: change.isAdmin ? 1 : 0 }),
    ...(change.isAuditor === undefined ? {} : { is_auditor: change.isAuditor ? 1 : 0 }),
    ...(change.isDisabled === undefined ? {} : { is_disabled: change.isDisabled ? 1 : 0 }),
  };
  if (Object.keys(values).length === 0) return;
  await tx.updateTable("users").set(values).where("id", "=", id).execute();
}

/** Whether an administrator other than this user can still sign in. */
export async function hasOtherAdministrator(tx: Tx, id: number): Promise<boolean> {
  const row = await tx
    .selectFrom("users")
    .select("id")
    .where("is_admin", "=", 1)
    .where("is_disabled", "=", 0)
    .where("id", "!=", id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes the user's namespace; false when there are repositories in it. None is created in it meanwhile. */
export async function deleteEmptyNamespaceOf(tx: Tx, userId: number): Promise<boolean> {
  const namespaces = tx.selectFrom("namespaces").select("id").where("owner_user_id", "=", userId);
  for (const { id } of await forUpdate(tx, namespaces).execute()) {
    const repositories = tx.selectFrom("repositories").select("id").where("namespace_id", "=", id).limit(1);
    if ((await repositories.executeTakeFirst()) !== undefined) return false;
    await tx.deleteFrom("namespaces").where("id", "=", id).execute();
  }
  return true;
}

/** Deletes the row; access tokens, refresh tokens and grants go by cascade. */
export async function deleteUserRow(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("users").where("id", "=", id).execute();
}

function withHash(
  row: (Parameters<typeof toUser>[0] & { readonly password_hash: string | null }) | undefined,
): UserWithHash | undefined {
  return row === undefined ? undefined : { ...toUser(row), passwordHash: row.password_hash ?? undefined };
}

function toUser(row: {
  readonly id: number;
  readonly username: string;
  readonly kind: string;
  readonly is_admin: number;
  readonly is_auditor: number;
  readonly is_disabled: number;
  readonly email: string | null;
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
}): User {
  return {
    id: row.id,
    username: row.username,
    kind: toAccountKind(row.kind),
    isAdmin: row.is_admin === 1,
    isAuditor: row.is_auditor === 1,
    isDisabled: row.is_disabled === 1,
    email: row.email ?? undefined,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
  };
}

function toAccountKind(text: string): AccountKind {
  return accountKinds.find((kind) => kind === text) ?? "person";
}
