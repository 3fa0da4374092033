import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";

export interface SigningKeyRow {
  readonly kid: string;
  readonly privateJwk: string;
  readonly publicJwk: string;
  readonly createdAtMs: number;
  readonly retiresAtMs: number;
  readonly expiresAtMs: number;
}

/** Keys that still verify at `nowMs`, newest first. */
export async function listSigningKeys(db: Queryable, nowMs: number): Promise<readonly SigningKeyRow[]> {
  const rows = await db
    .selectFrom("signing_keys")
    .selectAll()
    .where("expires_at_ms", ">", nowMs)
    .orderBy("created_at_ms", "desc")
    .orderBy("kid")
    .execute();
  return rows.map((row) => ({
    kid: row.kid,
    privateJwk: row.private_jwk,
    publicJwk: row.public_jwk,
    createdAtMs: row.created_at_ms,
    retiresAtMs: row.retires_at_ms,
    expiresAtMs: row.expires_at_ms,
  }));
}

/** Lets one transaction at a time look for a key and make one. Held on a row that is always there. */
export async function lockSigningKeys(tx: Tx): Promise<void> {
  const query = tx.selectFrom("counters").select("value").where("name", "=", "access");
  await forUpdate(tx, query).execute();
}

export async function insertSigningKey(tx: Tx, key: SigningKeyRow): Promise<void> {
  await tx
    .insertInto("signing_keys")
    .values({
      kid: key.kid,
      private_jwk: key.privateJwk,
      public_jwk: key.publicJwk,
      created_at_ms: key.createdAtMs,
      retires_at_ms: key.retiresAtMs,
      expires_at_ms: key.expiresAtMs,
    })
    .execute();
}

export async function deleteExpiredSigningKeys(tx: Tx, nowMs: number): Promise<void> {
  await tx.deleteFrom("signing_keys").where("expires_at_ms", "<=", nowMs).execute();
}
