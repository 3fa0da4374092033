import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate, skipLocked } from "../../storage/database/row-locks.ts";
import type { AccessToken } from "../access-tokens/access-token-store.ts";
import { listAccessTokensOf } from "../access-tokens/access-token-store.ts";

export type Labels = Readonly<Record<string, string>>;
export type Metadata = Readonly<Record<string, unknown>>;

/** An account that an issuer made, with its one credential. */
export interface IssuedCredential {
  readonly userId: number;
  readonly username: string;
  readonly externalId: string | undefined;
  readonly description: string;
  readonly metadata: Metadata;
  readonly labels: Labels;
  readonly isDisabled: boolean;
  readonly token: AccessToken;
}

/** Inserts the account; undefined when the issuer has one of that external id, or somebody has the name. */
export async function insertIssuedAccount(
  tx: Tx,
  account: {
    readonly issuerUserId: number;
    readonly issuerName: string;
    readonly username: string;
    readonly externalId: string | undefined;
    readonly description: string;
    readonly metadata: Metadata;
    readonly nowMs: number;
  },
): Promise<number | undefined> {
  const row = await tx
    .insertInto("users")
    .values({
      username: account.username,
      kind: "issued",
      password_hash: null,
      is_admin: 0,
      is_disabled: 0,
      created_at_ms: account.nowMs,
      created_by: account.issuerName,
      issuer_user_id: account.issuerUserId,
      external_id: account.externalId ?? null,
      description: account.description,
      metadata: JSON.stringify(account.metadata),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return row?.id;
}

export async function findByExternalId(
  db: Queryable,
  issuerUserId: number,
  externalId: string,
): Promise<IssuedCredential | undefined> {
  const rows = await accounts(db, issuerUserId).where("u.external_id", "=", externalId).execute();
  return (await withTokens(db, rows))[0];
}

export async function findByPublicId(
  db: Queryable,
  issuerUserId: number,
  publicId: string,
): Promise<IssuedCredential | undefined> {
  const rows = await accounts(db, issuerUserId)
    .innerJoin("access_tokens as t", "t.user_id", "u.id")
    .where("t.public_id", "=", publicId)
    .execute();
  return (await withTokens(db, rows))[0];
}

/** As `findByPublicId`, held as it is until this transaction ends. */
export async function lockByPublicId(
  tx: Tx,
  issuerUserId: number,
  publicId: string,
): Promise<IssuedCredential | undefined> {
  const query = tx.selectFrom("access_tokens").select("id").where("public_id", "=", publicId);
  await forNoKeyUpdate(tx, query).executeTakeFirst();
  return findByPublicId(tx, issuerUserId, publicId);
}

export interface IssuedFilter {
  readonly label: { readonly name: string; readonly value: string } | undefined;
  readonly expiringBeforeMs: number | undefined;
  readonly unusedSinceMs: number | undefined;
}

/** In the order in which they were made, after the one of `afterUserId`. */
export async function listIssued(
  db: Queryable,
  issuerUserId: number,
  filter: IssuedFilter,
  page: { readonly afterUserId: number; readonly limit: number },
): Promise<readonly IssuedCredential[]> {
  let query = accounts(db, issuerUserId)
    .where("u.id", ">", page.afterUserId)
    .orderBy("u.id")
    .limit(page.limit);
  const { label, expiringBeforeMs, unusedSinceMs } = filter;
  if (label !== undefined) {
    query = query.where("u.id", "in", (eb) =>
      eb
        .selectFrom("issued_labels")
        .select("user_id")
        .where("issuer_user_id", "=", issuerUserId)
        .where("name", "=", label.name)
        .where("value", "=", label.value)
        .where("user_id", ">", page.afterUserId),
    );
  }
  if (expiringBeforeMs !== undefined || unusedSinceMs !== undefined) {
    query = query.where(({ exists, selectFrom }) => {
      let tokens = selectFrom("access_tokens as t").select("t.id").whereRef("t.user_id", "=", "u.id");
      if (expiringBeforeMs !== undefined) tokens = tokens.where("t.expires_at_ms", "<", expiringBeforeMs);
      if (unusedSinceMs !== undefined) {
        // What was never used is unused since it was made.
        tokens = tokens.where((eb) =>
          eb(eb.fn.coalesce("t.last_used_at_ms", "t.created_at_ms"), "<", unusedSinceMs),
        );
      }
      return exists(tokens);
    });
  }
  return withTokens(db, await query.execute());
}

/** How many of an issuer's credentials are good now. */
export async function countActive(tx: Tx, issuerUserId: number, nowMs: number): Promise<number> {
  const row = await tx
    .selectFrom("users as u")
    .innerJoin("access_tokens as t", "t.user_id", "u.id")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("u.issuer_user_id", "=", issuerUserId)
    .where("u.is_disabled", "=", 0)
    .where((eb) => eb.or([eb("t.expires_at_ms", "is", null), eb("t.expires_at_ms", ">", nowMs)]))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

export async function updateIssuedAccount(
  tx: Tx,
  userId: number,
  change: { readonly description: string; readonly metadata: Metadata; readonly isDisabled: boolean },
): Promise<void> {
  await tx
    .updateTable("users")
    .set({
      description: change.description,
      metadata: JSON.stringify(change.metadata),
      is_disabled: change.isDisabled ? 1 : 0,
    })
    .where("id", "=", userId)
    .execute();
}

/** The account's labels are these from now on. */
export async function replaceLabels(
  tx: Tx,
  issuerUserId: number,
  userId: number,
  labels: Labels,
): Promise<void> {
  await tx.deleteFrom("issued_labels").where("user_id", "=", userId).execute();
  const rows = Object.entries(labels).map(([name, value]) => ({
    issuer_user_id: issuerUserId,
    user_id: userId,
    name,
    value,
  }));
  if (rows.length > 0) await tx.insertInto("issued_labels").values(rows).execute();
}

/** Deletes up to `limit` accounts of an issuer that have the label; tells their names. */
export async function deleteByLabel(
  tx: Tx,
  issuerUserId: number,
  label: { readonly name: string; readonly value: string },
  limit: number,
): Promise<readonly string[]> {
  const rows = await tx
    .deleteFrom("users")
    .where("issuer_user_id", "=", issuerUserId)
    .where("id", "in", (eb) =>
      eb
        .selectFrom("issued_labels")
        .select("user_id")
        .where("issuer_user_id", "=", issuerUserId)
        .where("name", "=", label.name)
        .where("value", "=", label.value)
        .limit(limit),
    )
    .returning("username")
    .execute();
  return rows.map((row) => row.username);
}

/** Deletes up to `limit` accounts of an issuer, those first that were made first; tells how many. */
export async function deleteIssuedOf(tx: Tx, issuerUserId: number, limit: number): Promise<number> {
  const result = await tx
    .deleteFrom("users")
    .where("id", "in", (eb) =>
      eb
        .selectFrom("users")
        .select("id")
        .where("issuer_user_id", "=", issuerUserId)
        .orderBy("id")
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Whether an issuer of the namespace has more than `count` accounts. */
export async function hasIssuedMoreThan(tx: Tx, namespaceId: number, count: number): Promise<boolean> {
  const rows = await tx
    .selectFrom("users as u")
    .innerJoin("users as i", "i.id", "u.issuer_user_id")
    .select("u.id")
    .where("i.namespace_id", "=", namespaceId)
    .limit(count + 1)
    .execute();
  return rows.length > count;
}

/**
 * Removes up to `limit` issued accounts whose credential expired before `beforeMs`: their external ids are free again. Those that somebody changes at this
 * moment stay: their life may be prolonged.
 */
export async function pruneIssued(tx: Tx, beforeMs: number, limit: number): Promise<void> {
  const expired = tx
    .selectFrom("access_tokens")
    .select("user_id")
    .where("kind", "=", "issued")
    .where("expires_at_ms", "<", beforeMs)
    .limit(limit);
  const ids = (await skipLocked(tx, forNoKeyUpdate(tx, expired)).execute()).map((row) => row.user_id);
  if (ids.length === 0) return;
  await tx.deleteFrom("users").where("kind", "=", "issued").where("id", "in", ids).execute();
}

function accounts(db: Queryable, issuerUserId: number) {
  return db
    .selectFrom("users as u")
    .select(["u.id", "u.username", "u.external_id", "u.description", "u.metadata", "u.is_disabled"])
    .where("u.issuer_user_id", "=", issuerUserId);
}

interface AccountRow {
  readonly id: number;
  readonly username: string;
  readonly external_id: string | null;
  readonly description: string;
  readonly metadata: string;
  readonly is_disabled: number;
}

async function withTokens(db: Queryable, rows: readonly AccountRow[]): Promise<readonly IssuedCredential[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const tokens = new Map((await listAccessTokensOf(db, ids)).map((token) => [token.userId, token]));
  const labelRows = await db
    .selectFrom("issued_labels")
    .select(["user_id", "name", "value"])
    .where("user_id", "in", ids)
    .orderBy("name")
    .execute();
  const labels = new Map<number, [string, string][]>(ids.map((id) => [id, []]));
  for (const { user_id, name, value } of labelRows) labels.get(user_id)?.push([name, value]);
  return rows.flatMap((row) => {
    const token = tokens.get(row.id);
    if (token === undefined) return [];
    return [
      {
        userId: row.id,
        username: row.username,
        externalId: row.external_id ?? undefined,
        description: row.description,
        metadata: JSON.parse(row.metadata) as Metadata, // as: `insertIssuedAccount` wrote an object
        labels: Object.fromEntries(labels.get(row.id) ?? []),
        isDisabled: row.is_disabled === 1,
        token,
      },
    ];
  });
}
