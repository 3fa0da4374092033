import type { Queryable, Tx } from "../../storage/database/database.ts";

/** One of the up to two secrets of a credential, without itself. */
export interface CredentialSecret {
  readonly id: number;
  readonly createdAtMs: number;
  /** Undefined = as long as its credential. */
  readonly expiresAtMs: number | undefined;
  /** Its hash has no key; rotating replaces it. */
  readonly isLegacy: boolean;
}

export async function insertSecret(
  tx: Tx,
  secret: { readonly accessTokenId: number; readonly secretHash: string; readonly nowMs: number },
): Promise<number> {
  const { id } = await tx
    .insertInto("access_token_secrets")
    .values({
      access_token_id: secret.accessTokenId,
      secret_hash: secret.secretHash,
      is_legacy: 0,
      created_at_ms: secret.nowMs,
      expires_at_ms: null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

/** Whose secret lies under one of the hashes, whether it is still good or not. */
export async function findSecret(
  db: Queryable,
  hashes: readonly string[],
): Promise<
  | {
      readonly id: number;
      readonly accessTokenId: number;
      readonly userId: number;
      readonly expiresAtMs: number | undefined;
    }
  | undefined
> {
  const row = await db
    .selectFrom("access_token_secrets as s")
    .innerJoin("access_tokens as t", "t.id", "s.access_token_id")
    .select(["s.id", "s.access_token_id", "t.user_id", "s.expires_at_ms"])
    .where("s.secret_hash", "in", [...hashes])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    accessTokenId: row.access_token_id,
    userId: row.user_id,
    expiresAtMs: row.expires_at_ms ?? undefined,
  };
}

/** The secrets of credentials, oldest first, by the credential's id. */
export async function listSecrets(
  db: Queryable,
  accessTokenIds: readonly number[],
): Promise<ReadonlyMap<number, readonly CredentialSecret[]>> {
  const found = new Map<number, CredentialSecret[]>();
  if (accessTokenIds.length === 0) return found;
  const rows = await db
    .selectFrom("access_token_secrets")
    .select(["id", "access_token_id", "created_at_ms", "expires_at_ms", "is_legacy"])
    .where("access_token_id", "in", [...accessTokenIds])
    .orderBy("id")
    .execute();
  for (const row of rows) {
    const secret: CredentialSecret = {
      id: row.id,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms ?? undefined,
      isLegacy: row.is_legacy === 1,
    };
    const before = found.get(row.access_token_id);
    if (before === undefined) found.set(row.access_token_id, [secret]);
    else before.push(secret);
  }
  return found;
}

export async function limitSecret(tx: Tx, id: number, expiresAtMs: number): Promise<void> {
  await tx
    .updateTable("access_token_secrets")
    .set({ expires_at_ms: expiresAtMs })
    .where("id", "=", id)
    .execute();
}

/** False when the credential has no such secret. */
export async function deleteSecret(tx: Tx, accessTokenId: number, id: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("access_token_secrets")
    .where("id", "=", id)
    .where("access_token_id", "=", accessTokenId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Removes up to `limit` secrets that expired before `beforeMs`. */
export async function pruneSecrets(tx: Tx, beforeMs: number, limit: number): Promise<void> {
  await tx
    .deleteFrom("access_token_secrets")
    .where("id", "in", (query) =>
      query
        .selectFrom("access_token_secrets")
        .select("id")
        .where("expires_at_ms", "<", beforeMs)
        .limit(limit),
    )
    .execute();
}
