import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface Session {
  readonly id: number;
  readonly userId: number;
  readonly passwordEpoch: string;
  /** 'password', or the provider that vouched: "oidc:google". */
  readonly method: string;
  /** RFC 8176: "pwd", "otp". */
  readonly amr: readonly string[];
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  readonly authenticatedAtMs: number;
  readonly mfaAtMs: number | undefined;
  readonly expiresAtMs: number;
  readonly address: string;
  readonly userAgent: string | undefined;
}

const columns = [
  "id",
  "user_id",
  "password_epoch",
  "method",
  "amr",
  "created_at_ms",
  "last_seen_at_ms",
  "authenticated_at_ms",
  "mfa_at_ms",
  "expires_at_ms",
  "address",
  "user_agent",
] as const;

export async function insertSession(
  tx: Tx,
  session: Omit<Session, "id" | "lastSeenAtMs" | "authenticatedAtMs"> & { readonly secretHash: string },
): Promise<number> {
  const row = await tx
    .insertInto("sessions")
    .values({
      user_id: session.userId,
      secret_hash: session.secretHash,
      password_epoch: session.passwordEpoch,
      method: session.method,
      amr: session.amr.join(" "),
      created_at_ms: session.createdAtMs,
      last_seen_at_ms: session.createdAtMs,
      authenticated_at_ms: session.createdAtMs,
      mfa_at_ms: session.mfaAtMs ?? null,
      expires_at_ms: session.expiresAtMs,
      address: session.address,
      user_agent: session.userAgent ?? null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

/** The session whose secret has one of the hashes. */
export async function findSessionByHash(
  db: Queryable,
  hashes: readonly string[],
): Promise<Session | undefined> {
  const row = await db
    .selectFrom("sessions")
    .select(columns)
    .where("secret_hash", "in", hashes)
    .executeTakeFirst();
  return row === undefined ? undefined : toSession(row);
}

export async function findSessionById(db: Queryable, id: number): Promise<Session | undefined> {
  const row = await db.selectFrom("sessions").select(columns).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toSession(row);
}

/** A user's sessions that have not ended, the newest first. */
export async function listSessions(
  db: Queryable,
  userId: number,
  alive: { readonly nowMs: number; readonly seenAfterMs: number },
): Promise<readonly Session[]> {
  const rows = await db
    .selectFrom("sessions")
    .select(columns)
    .where("user_id", "=", userId)
    .where("expires_at_ms", ">", alive.nowMs)
    .where("last_seen_at_ms", ">", alive.seenAfterMs)
    .orderBy("id", "desc")
    .execute();
  return rows.map(toSession);
}

/** Notes that a session is in use; false when it was ended, or nobody has used it since `seenAfterMs`. */
export async function touchSession(
  tx: Tx,
  id: number,
  alive: { readonly nowMs: number; readonly seenAfterMs: number },
): Promise<boolean> {
  const result = await tx
    .updateTable("sessions")
    .set({ last_seen_at_ms: alive.nowMs })
    .where("id", "=", id)
    .where("last_seen_at_ms", ">", alive.seenAfterMs)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes one session of a user; false when they have none of that id. */
export async function deleteSession(tx: Tx, userId: number, id: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("sessions")
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Deletes a user's sessions but, where it is given, one; tells how many. */
export async function deleteSessionsOf(tx: Tx, userId: number, exceptId?: number): Promise<number> {
  let query = tx.deleteFrom("sessions").where("user_id", "=", userId);
  if (exceptId !== undefined) query = query.where("id", "!=", exceptId);
  return Number((await query.executeTakeFirst()).numDeletedRows);
}

/** Keeps the `keep` sessions of a user that were used last; tells how many went. */
export async function deleteOldestSessions(tx: Tx, userId: number, keep: number): Promise<number> {
  const result = await tx
    .deleteFrom("sessions")
    .where("user_id", "=", userId)
    .where("id", "not in", (query) =>
      query
        .selectFrom("sessions")
        .select("id")
        .where("user_id", "=", userId)
        .orderBy("last_seen_at_ms", "desc")
        .orderBy("id", "desc")
        .limit(keep),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Deletes up to `limit` sessions that have ended by themselves. */
export async function pruneSessions(
  tx: Tx,
  alive: { readonly nowMs: number; readonly seenAfterMs: number },
  limit: number,
): Promise<void> {
  await tx
    .deleteFrom("sessions")
    .where("id", "in", (query) =>
      query
        .selectFrom("sessions")
        .select("id")
        .where((eb) =>
          eb.or([eb("expires_at_ms", "<=", alive.nowMs), eb("last_seen_at_ms", "<=", alive.seenAfterMs)]),
        )
        .limit(limit),
    )
    .execute();
}

/** Notes that the owner of a session has proved again who they are; false when the session has ended. */
export async function markAuthenticated(
  tx: Tx,
  id: number,
  proof: { readonly nowMs: number; readonly isMfa: boolean },
): Promise<boolean> {
  const result = await tx
    .updateTable("sessions")
    .set({ authenticated_at_ms: proof.nowMs, ...(proof.isMfa ? { mfa_at_ms: proof.nowMs } : {}) })
    .where("id", "=", id)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Notes when a user last signed in, and whether that was with a second factor; true when it was the first time with one. */
export async function touchUser(
  tx: Tx,
  userId: number,
  proof: { readonly nowMs: number; readonly isMfa: boolean },
): Promise<boolean> {
  await tx.updateTable("users").set({ last_sign_in_at_ms: proof.nowMs }).where("id", "=", userId).execute();
  if (!proof.isMfa) return false;
  const result = await tx
    .updateTable("users")
    .set({ mfa_at_ms: proof.nowMs })
    .where("id", "=", userId)
    .where("mfa_at_ms", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

function toSession(row: {
  readonly id: number;
  readonly user_id: number;
  readonly password_epoch: string;
  readonly method: string;
  readonly amr: string;
  readonly created_at_ms: number;
  readonly last_seen_at_ms: number;
  readonly authenticated_at_ms: number;
  readonly mfa_at_ms: number | null;
  readonly expires_at_ms: number;
  readonly address: string;
  readonly user_agent: string | null;
}): Session {
  return {
    id: row.id,
    userId: row.user_id,
    passwordEpoch: row.password_epoch,
    method: row.method,
    amr: row.amr === "" ? [] : row.amr.split(" "),
    createdAtMs: row.created_at_ms,
    lastSeenAtMs: row.last_seen_at_ms,
    authenticatedAtMs: row.authenticated_at_ms,
    mfaAtMs: row.mfa_at_ms ?? undefined,
    expiresAtMs: row.expires_at_ms,
    address: row.address,
    userAgent: row.user_agent ?? undefined,
  };
}
