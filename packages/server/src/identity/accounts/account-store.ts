import type { EmailAddress } from "../../lib/email-address.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forUpdate } from "../../storage/database/row-locks.ts";

export interface SignUp {
  readonly username: string;
  readonly email: EmailAddress;
  readonly passwordHash: string;
  readonly expiresAtMs: number;
}

export type AccountLinkKind = "password-reset" | "email-change";

export interface AccountLink {
  readonly userId: number;
  /** The address that the link proves. */
  readonly email: EmailAddress | undefined;
  readonly expiresAtMs: number;
}

/** An account as its owner and their mails see it. */
export interface AccountCard {
  readonly userId: number;
  readonly username: string;
  readonly kind: string;
  readonly fullName: string | undefined;
  readonly email: EmailAddress | undefined;
  readonly isEmailVerified: boolean;
  readonly passwordHash: string | undefined;
  readonly isDisabled: boolean;
}

const cardColumns = [
  "id",
  "username",
  "kind",
  "full_name",
  "email",
  "email_verified_at_ms",
  "password_hash",
  "is_disabled",
] as const;

export async function findCardByEmail(db: Queryable, email: EmailAddress): Promise<AccountCard | undefined> {
  const query = db.selectFrom("users").select(cardColumns).where("email", "=", email);
  return toCard(await query.executeTakeFirst());
}

/** As `findCardByEmail`, and the address stays theirs until this transaction ends: who changes it waits, or is waited for (`lockCard`). */
export async function holdCardByEmail(tx: Tx, email: EmailAddress): Promise<AccountCard | undefined> {
  const query = tx.selectFrom("users").select(cardColumns).where("email", "=", email);
  return toCard(await forKeyShare(tx, query).executeTakeFirst());
}

export async function findCardById(db: Queryable, userId: number): Promise<AccountCard | undefined> {
  const query = db.selectFrom("users").select(cardColumns).where("id", "=", userId);
  return toCard(await query.executeTakeFirst());
}

/** As `findCardById`, and the account stays as it is until this transaction ends. */
export async function lockCard(tx: Tx, userId: number): Promise<AccountCard | undefined> {
  const query = tx.selectFrom("users").select(cardColumns).where("id", "=", userId);
  return toCard(await forUpdate(tx, query).executeTakeFirst());
}

/** Whether a user or a namespace has the name, or a namespace had it. */
export async function isNameTaken(db: Queryable, name: string): Promise<boolean> {
  const user = db.selectFrom("users").select("id").where("username", "=", name);
  const namespace = db.selectFrom("namespaces").select("id").where("name", "=", name);
  const alias = db.selectFrom("namespace_aliases").select("name").where("name", "=", name);
  return (
    (await user.executeTakeFirst()) !== undefined ||
    (await namespace.executeTakeFirst()) !== undefined ||
    (await alias.executeTakeFirst()) !== undefined
  );
}

export async function updateCard(
  tx: Tx,
  userId: number,
  change: {
    readonly fullName?: string | null;
    readonly passwordHash?: string;
    readonly email?: EmailAddress;
    /** That the address, present or new, was proved to be theirs. */
    readonly emailVerifiedAtMs?: number;
  },
): Promise<void> {
  const { fullName, passwordHash, email, emailVerifiedAtMs } = change;
  await tx
    .updateTable("users")
    .set({
      ...(fullName === undefined ? {} : { full_name: fullName }),
      ...(passwordHash === undefined ? {} : { password_hash: passwordHash }),
      ...(email === undefined ? {} : { email }),
      ...(emailVerifiedAtMs === undefined ? {} : { email_verified_at_ms: emailVerifiedAtMs }),
    })
    .where("id", "=", userId)
    .execute();
}

export async function insertSignUp(
  tx: Tx,
  signUp: SignUp & { readonly tokenHash: string; readonly nowMs: number },
): Promise<void> {
  await tx
    .insertInto("sign_ups")
    .values({
      username: signUp.username,
      email: signUp.email,
      password_hash: signUp.passwordHash,
      token_hash: signUp.tokenHash,
      created_at_ms: signUp.nowMs,
      expires_at_ms: signUp.expiresAtMs,
    })
    .execute();
}

/** The password hash of the newest sign-up of the name that can still be confirmed. */
export async function findSignUpHash(
  db: Queryable,
  username: string,
  nowMs: number,
): Promise<string | undefined> {
  const row = await db
    .selectFrom("sign_ups")
    .select("password_hash")
    .where("username", "=", username)
    .where("expires_at_ms", ">", nowMs)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.password_hash;
}

/** Takes a sign-up out, so that nobody else can: its link works once. */
export async function takeSignUp(tx: Tx, tokenHashes: readonly string[]): Promise<SignUp | undefined> {
  const row = await tx
    .deleteFrom("sign_ups")
    .where("token_hash", "in", tokenHashes)
    .returning(["username", "email", "password_hash", "expires_at_ms"])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    username: row.username,
    email: row.email as EmailAddress, // as: only addresses are inserted
    passwordHash: row.password_hash,
    expiresAtMs: row.expires_at_ms,
  };
}

export async function deleteSignUpsOf(tx: Tx, email: EmailAddress): Promise<void> {
  await tx.deleteFrom("sign_ups").where("email", "=", email).execute();
}

export async function insertAccountLink(
  tx: Tx,
  link: AccountLink & {
    readonly kind: AccountLinkKind;
    readonly tokenHash: string;
    readonly nowMs: number;
  },
): Promise<void> {
  await tx
    .insertInto("account_links")
    .values({
      kind: link.kind,
      user_id: link.userId,
      token_hash: link.tokenHash,
      email: link.email ?? null,
      created_at_ms: link.nowMs,
      expires_at_ms: link.expiresAtMs,
    })
    .execute();
}

export async function findAccountLink(
  db: Queryable,
  kind: AccountLinkKind,
  tokenHashes: readonly string[],
): Promise<AccountLink | undefined> {
  const row = await db
    .selectFrom("account_links")
    .select(["user_id", "email", "expires_at_ms"])
    .where("token_hash", "in", tokenHashes)
    .where("kind", "=", kind)
    .executeTakeFirst();
  return row === undefined ? undefined : toLink(row);
}

/** Takes a link out, so that nobody else can: it works once. */
export async function takeAccountLink(
  tx: Tx,
  kind: AccountLinkKind,
  tokenHashes: readonly string[],
): Promise<AccountLink | undefined> {
  const row = await tx
    .deleteFrom("account_links")
    .where("token_hash", "in", tokenHashes)
    .where("kind", "=", kind)
    .returning(["user_id", "email", "expires_at_ms"])
    .executeTakeFirst();
  return row === undefined ? undefined : toLink(row);
}

/** The address that the account is to have once its link is followed. */
export async function findPendingEmail(
  db: Queryable,
  userId: number,
  nowMs: number,
): Promise<string | undefined> {
  const row = await db
    .selectFrom("account_links")
    .select("email")
    .where("user_id", "=", userId)
    .where("kind", "=", "email-change")
    .where("expires_at_ms", ">", nowMs)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.email ?? undefined;
}

/** Ends the links of an account, all or those of one kind. */
export async function deleteAccountLinksOf(tx: Tx, userId: number, kind?: AccountLinkKind): Promise<void> {
  let query = tx.deleteFrom("account_links").where("user_id", "=", userId);
  if (kind !== undefined) query = query.where("kind", "=", kind);
  await query.execute();
}

/** Deletes up to `limit` of each that have expired. May be repeated. */
export async function pruneAccountLinks(tx: Tx, nowMs: number, limit: number): Promise<void> {
  for (const table of ["sign_ups", "account_links"] as const) {
    await tx
      .deleteFrom(table)
      .where("id", "in", (query) =>
        query.selectFrom(table).select("id").where("expires_at_ms", "<=", nowMs).limit(limit),
      )
      .execute();
  }
}

function toLink(row: {
  readonly user_id: number;
  readonly email: string | null;
  readonly expires_at_ms: number;
}): AccountLink {
  return {
    userId: row.user_id,
    email: (row.email ?? undefined) as EmailAddress | undefined, // as: only addresses are inserted
    expiresAtMs: row.expires_at_ms,
  };
}

function toCard(
  row:
    | {
        readonly id: number;
        readonly username: string;
        readonly kind: string;
        readonly full_name: string | null;
        readonly email: string | null;
        readonly email_verified_at_ms: number | null;
        readonly password_hash: string | null;
        readonly is_disabled: number;
      }
    | undefined,
): AccountCard | undefined {
  if (row === undefined) return undefined;
  return {
    userId: row.id,
    username: row.username,
    kind: row.kind,
    fullName: row.full_name ?? undefined,
    email: (row.email ?? undefined) as EmailAddress | undefined, // as: only addresses are stored
    isEmailVerified: row.email_verified_at_ms !== null,
    passwordHash: row.password_hash ?? undefined,
    isDisabled: row.is_disabled === 1,
  };
}
