import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface RefreshToken {
  readonly id: number;
  readonly userId: number;
  readonly accessTokenId: number | undefined;
  readonly service: string;
}

export async function insertRefreshToken(
  tx: Tx,
  token: {
    readonly userId: number;
    readonly accessTokenId: number | undefined;
    readonly service: string;
    readonly clientId: string;
    readonly secretHash: string;
    readonly nowMs: number;
  },
): Promise<void> {
  await tx
    .insertInto("refresh_tokens")
    .values({
      user_id: token.userId,
      access_token_id: token.accessTokenId ?? null,
      service: token.service,
      client_id: token.clientId,
      secret_hash: token.secretHash,
      created_at_ms: token.nowMs,
      last_used_at_ms: token.nowMs,
    })
    .execute();
}

export async function findRefreshToken(db: Queryable, secretHash: string): Promise<RefreshToken | undefined> {
  const row = await db
    .selectFrom("refresh_tokens")
    .select(["id", "user_id", "access_token_id", "service"])
    .where("secret_hash", "=", secretHash)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    userId: row.user_id,
    accessTokenId: row.access_token_id ?? undefined,
    service: row.service,
  };
}

/** Records a use; false when the token is gone. */
export async function touchRefreshToken(tx: Tx, id: number, nowMs: number): Promise<boolean> {
  const result = await tx
    .updateTable("refresh_tokens")
    .set({ last_used_at_ms: nowMs })
    .where("id", "=", id)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Revokes every refresh token of a user, as a change of password must. */
export async function deleteRefreshTokensOf(tx: Tx, userId: number): Promise<void> {
  await tx.deleteFrom("refresh_tokens").where("user_id", "=", userId).execute();
}

/** Revokes those that were got with the password itself, as a second factor must. */
export async function deletePasswordRefreshTokensOf(tx: Tx, userId: number): Promise<void> {
  await tx
    .deleteFrom("refresh_tokens")
    .where("user_id", "=", userId)
    .where("access_token_id", "is", null)
    .execute();
}

/** Removes up to `limit` tokens that nobody has used since `beforeMs`. One that is used at this moment stays. */
export async function pruneRefreshTokens(tx: Tx, beforeMs: number, limit: number): Promise<void> {
  await tx
    .deleteFrom("refresh_tokens")
    .where("id", "in", (query) =>
      query.selectFrom("refresh_tokens").select("id").where("last_used_at_ms", "<", beforeMs).limit(limit),
    )
    // Again: after the wait for a row only what is outside of the list is looked at anew.
    .where("last_used_at_ms", "<", beforeMs)
    .execute();
}
