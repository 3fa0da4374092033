import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";

/** What a provider's word may change of a user. */
export interface Standing {
  readonly id: number;
  readonly username: string;
  readonly kind: string;
  readonly isAdmin: boolean;
  readonly isAuditor: boolean;
  readonly isDisabled: boolean;
  readonly hasPassword: boolean;
}

export async function lockStanding(tx: Tx, userId: number): Promise<Standing | undefined> {
  const query = tx.selectFrom("users").select(columns).where("id", "=", userId);
  return toStanding(await forUpdate(tx, query).executeTakeFirst());
}

/** The user whose verified address it is. */
export async function lockByVerifiedEmail(tx: Tx, email: string): Promise<Standing | undefined> {
  const query = tx
    .selectFrom("users")
    .select(columns)
    .where("email", "=", email.toLowerCase())
    .where("email_verified_at_ms", "is not", null);
  return toStanding(await forUpdate(tx, query).executeTakeFirst());
}

/**
 * Whether an invitation to this address can still be accepted, by a user who is made for it and finds it among theirs. An address that somebody here
 * has leads to nobody new: who owns it signs in as that user, and links.
 */
export async function isInvited(db: Queryable, email: string, nowMs: number): Promise<boolean> {
  const row = await db
    .selectFrom("invitations")
    .select("id")
    .where("email", "=", email.toLowerCase())
    .where("expires_at_ms", ">", nowMs)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("users").select("id").where("email", "=", email.toLowerCase()))),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether neither a user nor a namespace has the name, nor one that was renamed. */
export async function isNameFree(db: Queryable, name: string): Promise<boolean> {
  const taken = await db
    .selectFrom("users")
    .select("id")
    .where("username", "=", name)
    .unionAll(db.selectFrom("namespaces").select("id").where("name", "=", name))
    .unionAll(db.selectFrom("namespace_aliases").select("created_at_ms as id").where("name", "=", name))
    .limit(1)
    .executeTakeFirst();
  return taken === undefined;
}

/** What is known of a user from elsewhere. An address that another user has is left out. */
export async function describeUser(
  tx: Tx,
  userId: number,
  person: { readonly fullName: string | undefined; readonly verifiedEmail: string | undefined },
  made: { readonly by: string; readonly nowMs: number },
): Promise<void> {
  const email = person.verifiedEmail?.toLowerCase();
  const other =
    email === undefined
      ? undefined
      : await tx.selectFrom("users").select("id").where("email", "=", email).executeTakeFirst();
  const address =
    email === undefined || other !== undefined ? {} : { email, email_verified_at_ms: made.nowMs };
  await tx
    .updateTable("users")
    .set({ full_name: person.fullName ?? null, created_by: made.by, ...address })
    .where("id", "=", userId)
    .execute();
}

/** Whether pushes make repositories in the user's own namespace. True = it was otherwise before. */
export async function setOwnCreateOnPush(tx: Tx, userId: number, may: boolean): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("namespaces")
    .set({ create_on_push: may ? 1 : 0 })
    .where("owner_user_id", "=", userId)
    .where("create_on_push", "=", may ? 0 : 1)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Robots of the user's own namespace act for nobody else. How many were disabled. */
export async function disableOwnRobots(tx: Tx, userId: number): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable("users")
    .set({ is_disabled: 1 })
    .where("kind", "=", "robot")
    .where("is_disabled", "=", 0)
    .where("namespace_id", "in", tx.selectFrom("namespaces").select("id").where("owner_user_id", "=", userId))
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

const columns = ["id", "username", "kind", "is_admin", "is_auditor", "is_disabled", "password_hash"] as const;

function toStanding(
  row:
    | {
        readonly id: number;
        readonly username: string;
        readonly kind: string;
        readonly is_admin: number;
        readonly is_auditor: number;
        readonly is_disabled: number;
        readonly password_hash: string | null;
      }
    | undefined,
): Standing | undefined {
  if (row === undefined) return undefined;
  return {
    id: row.id,
    username: row.username,
    kind: row.kind,
    isAdmin: row.is_admin === 1,
    isAuditor: row.is_auditor === 1,
    isDisabled: row.is_disabled === 1,
    hasPassword: row.password_hash !== null,
  };
}
