import type { EmailAddress } from "../../lib/email-address.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";

/** Somebody is asked into a team. */
export interface Invitation {
  readonly id: number;
  readonly namespaceId: number;
  readonly namespace: string;
  readonly teamId: number;
  readonly team: string;
  /** One of the two is set. */
  readonly email: EmailAddress | undefined;
  readonly userId: number | undefined;
  readonly username: string | undefined;
  readonly invitedBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export type Invited = { readonly email: EmailAddress } | { readonly userId: number };

function withNames(db: Queryable) {
  return db
    .selectFrom("invitations as i")
    .innerJoin("namespaces as n", "n.id", "i.namespace_id")
    .innerJoin("teams as t", "t.id", "i.team_id")
    .leftJoin("users as u", "u.id", "i.user_id")
    .select([
      "i.id",
      "i.namespace_id",
      "n.name as namespace",
      "i.team_id",
      "t.name as team",
      "i.email",
      "i.user_id",
      "u.username",
      "i.invited_by",
      "i.created_at_ms",
      "i.expires_at_ms",
    ]);
}

/** Makes an invitation, in place of the one that the invited had to the team. */
export async function replaceInvitation(
  tx: Tx,
  invitation: {
    readonly namespaceId: number;
    readonly teamId: number;
    readonly invited: Invited;
    readonly secretHash: string;
    readonly invitedBy: string;
    readonly nowMs: number;
    readonly expiresAtMs: number;
  },
): Promise<number> {
  const { invited, teamId } = invitation;
  const before = tx.deleteFrom("invitations").where("team_id", "=", teamId);
  await ("email" in invited
    ? before.where("email", "=", invited.email)
    : before.where("user_id", "=", invited.userId)
  ).execute();
  const row = await tx
    .insertInto("invitations")
    .values({
      namespace_id: invitation.namespaceId,
      team_id: teamId,
      email: "email" in invited ? invited.email : null,
      user_id: "userId" in invited ? invited.userId : null,
      secret_hash: invitation.secretHash,
      invited_by: invitation.invitedBy,
      created_at_ms: invitation.nowMs,
      expires_at_ms: invitation.expiresAtMs,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

export async function findInvitation(db: Queryable, id: number): Promise<Invitation | undefined> {
  return toInvitation(await withNames(db).where("i.id", "=", id).executeTakeFirst());
}

export async function findInvitationBySecret(
  db: Queryable,
  hashes: readonly string[],
): Promise<Invitation | undefined> {
  return toInvitation(
    await withNames(db)
      .where("i.secret_hash", "in", [...hashes])
      .executeTakeFirst(),
  );
}

/** False when it is gone. Nobody else takes it until this transaction ends. */
export async function lockInvitation(tx: Tx, id: number): Promise<boolean> {
  const query = tx.selectFrom("invitations").select("id").where("id", "=", id);
  return (await forUpdate(tx, query).executeTakeFirst()) !== undefined;
}

/** The invitations of a namespace in the order in which they were made, after the one with the id `after`. */
export async function listInvitationsOf(
  db: Queryable,
  namespaceId: number,
  page: { readonly after: number; readonly limit: number },
): Promise<readonly Invitation[]> {
  const rows = await withNames(db)
    .where("i.namespace_id", "=", namespaceId)
    .where("i.id", ">", page.after)
    .orderBy("i.id")
    .limit(page.limit)
    .execute();
  return rows.flatMap((row) => toInvitation(row) ?? []);
}

/** Those that somebody can accept: to their account, or to an address that is proved to be theirs. */
export async function listInvitationsTo(
  db: Queryable,
  invited: { readonly userId: number; readonly email: EmailAddress | undefined; readonly nowMs: number },
): Promise<readonly Invitation[]> {
  const { userId, email, nowMs } = invited;
  const rows = await withNames(db)
    .where(({ eb, or }) =>
      or([eb("i.user_id", "=", userId), ...(email === undefined ? [] : [eb("i.email", "=", email)])]),
    )
    .where("i.expires_at_ms", ">", nowMs)
    .orderBy("i.id")
    .execute();
  return rows.flatMap((row) => toInvitation(row) ?? []);
}

export async function deleteInvitation(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("invitations").where("id", "=", id).execute();
}

/** The address of an account that is proved to be its owner's. */
export async function findProvedEmail(db: Queryable, userId: number): Promise<EmailAddress | undefined> {
  const row = await db
    .selectFrom("users")
    .select("email")
    .where("id", "=", userId)
    .where("email_verified_at_ms", "is not", null)
    .executeTakeFirst();
  return (row?.email ?? undefined) as EmailAddress | undefined; // as: only addresses are stored there
}

/** Drops up to `limit` that ran out before `beforeMs`. */
export async function pruneInvitations(tx: Tx, beforeMs: number, limit: number): Promise<void> {
  const expired = tx
    .selectFrom("invitations")
    .select("id")
    .where("expires_at_ms", "<", beforeMs)
    .limit(limit);
  await tx.deleteFrom("invitations").where("id", "in", expired).execute();
}

function toInvitation(
  row:
    | {
        readonly id: number;
        readonly namespace_id: number;
        readonly namespace: string;
        readonly team_id: number;
        readonly team: string;
        readonly email: string | null;
        readonly user_id: number | null;
        readonly username: string | null;
        readonly invited_by: string;
        readonly created_at_ms: number;
        readonly expires_at_ms: number;
      }
    | undefined,
): Invitation | undefined {
  if (row === undefined) return undefined;
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    namespace: row.namespace,
    teamId: row.team_id,
    team: row.team,
    email: (row.email ?? undefined) as EmailAddress | undefined, // as: `replaceInvitation` wrote it
    userId: row.user_id ?? undefined,
    username: row.username ?? undefined,
    invitedBy: row.invited_by,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}
