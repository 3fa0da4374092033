import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface TotpSeed {
  /** Sealed. */
  readonly seed: string;
  readonly lastCounter: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
}

export interface SecurityKey {
  readonly id: number;
  readonly name: string;
  readonly credentialId: string;
  readonly publicKey: string;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
}

export async function findTotpSeed(db: Queryable, userId: number): Promise<TotpSeed | undefined> {
  const row = await db
    .selectFrom("totp_seeds")
    .select(["seed", "last_counter", "created_at_ms", "last_used_at_ms"])
    .where("user_id", "=", userId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    seed: row.seed,
    lastCounter: row.last_counter,
    createdAtMs: row.created_at_ms,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
  };
}

/** False when the user has one. */
export async function insertTotpSeed(
  tx: Tx,
  seed: {
    readonly userId: number;
    readonly seed: string;
    readonly lastCounter: number;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const result = await tx
    .insertInto("totp_seeds")
    .values({
      user_id: seed.userId,
      seed: seed.seed,
      last_counter: seed.lastCounter,
      created_at_ms: seed.nowMs,
      last_used_at_ms: seed.nowMs,
    })
    .onConflict((conflict) => conflict.column("user_id").doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Takes the code of a counter; false when it, or a later one, was taken before. */
export async function advanceTotp(tx: Tx, userId: number, counter: number, nowMs: number): Promise<boolean> {
  const result = await tx
    .updateTable("totp_seeds")
    .set({ last_counter: counter, last_used_at_ms: nowMs })
    .where("user_id", "=", userId)
    .where("last_counter", "<", counter)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function deleteTotpSeed(tx: Tx, userId: number): Promise<boolean> {
  const result = await tx.deleteFrom("totp_seeds").where("user_id", "=", userId).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function listSecurityKeys(db: Queryable, userId: number): Promise<readonly SecurityKey[]> {
  const rows = await db
    .selectFrom("security_keys")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("name")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    counter: row.counter,
    transports: row.transports === "" ? [] : row.transports.split(" "),
    createdAtMs: row.created_at_ms,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
  }));
}

/** False when the user has a key of that name, or anybody has that key. */
export async function insertSecurityKey(
  tx: Tx,
  userId: number,
  key: Omit<SecurityKey, "id" | "lastUsedAtMs">,
): Promise<boolean> {
  const result = await tx
    .insertInto("security_keys")
    .values({
      user_id: userId,
      name: key.name,
      credential_id: key.credentialId,
      public_key: key.publicKey,
      counter: key.counter,
      transports: key.transports.join(" "),
      created_at_ms: key.createdAtMs,
      last_used_at_ms: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Takes the count that a key has signed; false when it is not above the last one. Keys that do not count always say 0. */
export async function advanceSecurityKey(
  tx: Tx,
  id: number,
  counter: number,
  nowMs: number,
): Promise<boolean> {
  const result = await tx
    .updateTable("security_keys")
    .set({ counter, last_used_at_ms: nowMs })
    .where("id", "=", id)
    .where((eb) => (counter === 0 ? eb("counter", "=", 0) : eb("counter", "<", counter)))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function deleteSecurityKey(tx: Tx, userId: number, id: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("security_keys")
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function deleteSecurityKeysOf(tx: Tx, userId: number): Promise<number> {
  const result = await tx.deleteFrom("security_keys").where("user_id", "=", userId).executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** In place of those that the user had. */
export async function replaceRecoveryCodes(
  tx: Tx,
  userId: number,
  hashes: readonly string[],
  nowMs: number,
): Promise<void> {
  await tx.deleteFrom("recovery_codes").where("user_id", "=", userId).execute();
  if (hashes.length === 0) return;
  const rows = hashes.map((hash) => ({ user_id: userId, code_hash: hash, created_at_ms: nowMs }));
  await tx.insertInto("recovery_codes").values(rows).execute();
}

export async function countRecoveryCodes(db: Queryable, userId: number): Promise<number> {
  const row = await db
    .selectFrom("recovery_codes")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** Uses up the code that lies under one of the hashes; false when there is none. */
export async function deleteRecoveryCode(
  tx: Tx,
  userId: number,
  hashes: readonly string[],
): Promise<boolean> {
  const result = await tx
    .deleteFrom("recovery_codes")
    .where("user_id", "=", userId)
    .where("code_hash", "in", hashes)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Notes that a user has signed in with a second factor, or with null that it was taken from them. */
export async function setUserMfa(tx: Tx, userId: number, atMs: number | null): Promise<void> {
  await tx.updateTable("users").set({ mfa_at_ms: atMs }).where("id", "=", userId).execute();
}

/** Which factors a user has, and when they last showed one; undefined when there is no such user. */
export async function loadFactors(
  db: Queryable,
  userId: number,
): Promise<
  | { readonly hasTotp: boolean; readonly securityKeys: number; readonly mfaAtMs: number | undefined }
  | undefined
> {
  const row = await db
    .selectFrom("users as u")
    .select((eb) => [
      "u.mfa_at_ms",
      eb
        .selectFrom("totp_seeds as t")
        .select((inner) => inner.fn.countAll<number>().as("count"))
        .whereRef("t.user_id", "=", "u.id")
        .as("seeds"),
      eb
        .selectFrom("security_keys as k")
        .select((inner) => inner.fn.countAll<number>().as("count"))
        .whereRef("k.user_id", "=", "u.id")
        .as("keys"),
    ])
    .where("u.id", "=", userId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    hasTotp: Number(row.seeds ?? 0) > 0,
    securityKeys: Number(row.keys ?? 0),
    mfaAtMs: row.mfa_at_ms ?? undefined,
  };
}
