import {
  type CredentialScope,
  type CredentialScopeJson,
  toCredentialScope,
  toScopeJson,
} from "../../access/credential-scope.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface AccessToken {
  readonly id: number;
  readonly userId: number;
  readonly name: string;
  /** Undefined = all that its user may. */
  readonly scopes: readonly CredentialScope[] | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly lastUsedAtMs: number | undefined;
}

const columns = [
  "id",
  "user_id",
  "name",
  "scopes",
  "created_at_ms",
  "expires_at_ms",
  "last_used_at_ms",
] as const;

/** Inserts a token; undefined when its user has one of that name. */
export async function insertAccessToken(
  tx: Tx,
  token: {
    readonly userId: number;
    readonly name: string;
    readonly secretHash: string;
    readonly scopes: readonly CredentialScope[] | undefined;
    readonly nowMs: number;
    readonly expiresAtMs: number | undefined;
  },
): Promise<AccessToken | undefined> {
  const row = await tx
    .insertInto("access_tokens")
    .values({
      user_id: token.userId,
      name: token.name,
      secret_hash: token.secretHash,
      scopes: token.scopes === undefined ? null : JSON.stringify(token.scopes.map(toScopeJson)),
      created_at_ms: token.nowMs,
      expires_at_ms: token.expiresAtMs ?? null,
      last_used_at_ms: null,
    })
    .onConflict((conflict) => conflict.columns(["user_id", "name"]).doNothing())
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

export async function findAccessTokenByHash(
  db: Queryable,
  secretHash: string,
): Promise<AccessToken | undefined> {
  const row = await db
    .selectFrom("access_tokens")
    .select(columns)
    .where("secret_hash", "=", secretHash)
    .executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

export async function findAccessTokenById(db: Queryable, id: number): Promise<AccessToken | undefined> {
  const row = await db.selectFrom("access_tokens").select(columns).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

export async function listAccessTokens(db: Queryable, userId: number): Promise<readonly AccessToken[]> {
  const rows = await db
    .selectFrom("access_tokens")
    .select(columns)
    .where("user_id", "=", userId)
    .orderBy("id")
    .execute();
  return rows.map(toToken);
}

/** False when the user has no such token. */
export async function deleteAccessToken(tx: Tx, userId: number, id: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("access_tokens")
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Revokes every access token of a user. */
export async function deleteAccessTokensOf(tx: Tx, userId: number): Promise<void> {
  await tx.deleteFrom("access_tokens").where("user_id", "=", userId).execute();
}

/** Revokes the access tokens of a user whose names begin so. */
export async function deleteAccessTokensNamed(tx: Tx, userId: number, prefix: string): Promise<void> {
  await tx
    .deleteFrom("access_tokens")
    .where("user_id", "=", userId)
    .where("name", ">=", prefix)
    .where("name", "<", `${prefix}\u{10ffff}`)
    .execute();
}

export async function touchAccessToken(tx: Tx, id: number, nowMs: number): Promise<void> {
  await tx.updateTable("access_tokens").set({ last_used_at_ms: nowMs }).where("id", "=", id).execute();
}

function toToken(row: {
  readonly id: number;
  readonly user_id: number;
  readonly name: string;
  readonly scopes: string | null;
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
  readonly last_used_at_ms: number | null;
}): AccessToken {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    // as: `insertAccessToken` wrote it
    scopes:
      row.scopes === null
        ? undefined
        : (JSON.parse(row.scopes) as readonly CredentialScopeJson[]).map(toCredentialScope),
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
  };
}
