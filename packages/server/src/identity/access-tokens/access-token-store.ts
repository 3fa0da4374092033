import type { UseLimits } from "../../access/actor.ts";
import {
  type CredentialScope,
  type CredentialScopeJson,
  toCredentialScope,
  toScopeJson,
} from "../../access/credential-scope.ts";
import { type IpNetwork, parseIpNetwork } from "../../lib/ip-network.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";

/** What a credential is for: a person's own; good for the registry only; of a robot; of a customer; got for a token from outside; of an issuer. */
export const accessTokenKinds = [
  "personal",
  "application",
  "robot",
  "issued",
  "federated",
  "issuer",
] as const;
export type AccessTokenKind = (typeof accessTokenKinds)[number];

export interface AccessToken {
  readonly id: number;
  readonly publicId: string;
  readonly userId: number;
  readonly kind: AccessTokenKind;
  readonly name: string;
  readonly description: string;
  /** Undefined = all that its user may. */
  readonly scopes: readonly CredentialScope[] | undefined;
  /** Undefined = from anywhere. */
  readonly networks: readonly IpNetwork[] | undefined;
  readonly createdAtMs: number;
  /** Undefined = at once. */
  readonly notBeforeMs: number | undefined;
  readonly expiresAtMs: number | undefined;
  readonly lastUsedAtMs: number | undefined;
  readonly lastUsedAddress: string | undefined;
  readonly limits: UseLimits;
}

const columns = [
  "id",
  "public_id",
  "user_id",
  "kind",
  "name",
  "description",
  "scopes",
  "networks",
  "created_at_ms",
  "not_before_ms",
  "expires_at_ms",
  "last_used_at_ms",
  "last_used_address",
  "max_pulls_per_hour",
  "max_requests_per_minute",
] as const;

export interface NewAccessToken {
  readonly userId: number;
  readonly publicId: string;
  readonly kind: AccessTokenKind;
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly CredentialScope[] | undefined;
  readonly networks: readonly IpNetwork[] | undefined;
  readonly nowMs: number;
  readonly notBeforeMs: number | undefined;
  readonly expiresAtMs: number | undefined;
  readonly limits?: UseLimits | undefined;
}

/** Inserts a token; undefined when its user has one of that name. */
export async function insertAccessToken(tx: Tx, token: NewAccessToken): Promise<AccessToken | undefined> {
  const row = await tx
    .insertInto("access_tokens")
    .values({
      user_id: token.userId,
      public_id: token.publicId,
      kind: token.kind,
      name: token.name,
      description: token.description,
      scopes: scopesText(token.scopes),
      networks: networksText(token.networks),
      created_at_ms: token.nowMs,
      not_before_ms: token.notBeforeMs ?? null,
      expires_at_ms: token.expiresAtMs ?? null,
      last_used_at_ms: null,
      max_pulls_per_hour: token.limits?.maxPullsPerHour ?? null,
      max_requests_per_minute: token.limits?.maxRequestsPerMinute ?? null,
    })
    .onConflict((conflict) => conflict.columns(["user_id", "name"]).doNothing())
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

export async function findAccessTokenById(db: Queryable, id: number): Promise<AccessToken | undefined> {
  const row = await db.selectFrom("access_tokens").select(columns).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

/** A user's token as it is now and until this transaction ends; undefined when it is not theirs. */
export async function lockAccessToken(tx: Tx, userId: number, id: number): Promise<AccessToken | undefined> {
  const query = tx
    .selectFrom("access_tokens")
    .select(columns)
    .where("id", "=", id)
    .where("user_id", "=", userId);
  const row = await forNoKeyUpdate(tx, query).executeTakeFirst();
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

export async function listAccessTokensOf(
  db: Queryable,
  userIds: readonly number[],
): Promise<readonly AccessToken[]> {
  if (userIds.length === 0) return [];
  const rows = await db
    .selectFrom("access_tokens")
    .select(columns)
    .where("user_id", "in", [...userIds])
    .orderBy("id")
    .execute();
  return rows.map(toToken);
}

/** What can be changed of a token; absent = as it is, undefined where it is given = none. */
export interface AccessTokenChange {
  readonly name?: string;
  readonly description?: string;
  readonly scopes?: readonly CredentialScope[];
  readonly networks?: readonly IpNetwork[] | undefined;
  readonly notBeforeMs?: number | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly maxPullsPerHour?: number | undefined;
  readonly maxRequestsPerMinute?: number | undefined;
}

/** False when its user has another of that name. */
export async function updateAccessToken(
  tx: Tx,
  token: AccessToken,
  change: AccessTokenChange,
): Promise<boolean> {
  if (change.name !== undefined && change.name !== token.name) {
    const taken = await tx
      .selectFrom("access_tokens")
      .select("id")
      .where("user_id", "=", token.userId)
      .where("name", "=", change.name)
      .executeTakeFirst();
    if (taken !== undefined) return false;
  }
  const values = {
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.description === undefined ? {} : { description: change.description }),
    ...(change.scopes === undefined ? {} : { scopes: scopesText(change.scopes) }),
    ...("networks" in change ? { networks: networksText(change.networks) } : {}),
    ...("notBeforeMs" in change ? { not_before_ms: change.notBeforeMs ?? null } : {}),
    ...("expiresAtMs" in change ? { expires_at_ms: change.expiresAtMs ?? null } : {}),
    ...("maxPullsPerHour" in change ? { max_pulls_per_hour: change.maxPullsPerHour ?? null } : {}),
    ...("maxRequestsPerMinute" in change
      ? { max_requests_per_minute: change.maxRequestsPerMinute ?? null }
      : {}),
  };
  if (Object.keys(values).length === 0) return true;
  await tx.updateTable("access_tokens").set(values).where("id", "=", token.id).execute();
  return true;
}

/** The name of the token that was deleted; undefined when the user has no such token. */
export async function deleteAccessToken(tx: Tx, userId: number, id: number): Promise<string | undefined> {
  const row = await tx
    .deleteFrom("access_tokens")
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .returning("name")
    .executeTakeFirst();
  return row?.name;
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

export async function touchAccessToken(tx: Tx, id: number, nowMs: number, address: string): Promise<void> {
  await tx
    .updateTable("access_tokens")
    .set({ last_used_at_ms: nowMs, last_used_address: address })
    .where("id", "=", id)
    .execute();
}

/** Removes up to `limit` tokens that expired before `beforeMs`; tells how many. One whose life is prolonged at this moment stays. */
export async function pruneAccessTokens(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const result = await tx
    .deleteFrom("access_tokens")
    .where("id", "in", (query) =>
      query.selectFrom("access_tokens").select("id").where("expires_at_ms", "<", beforeMs).limit(limit),
    )
    // Again: after the wait for a row only what is outside of the list is looked at anew.
    .where("expires_at_ms", "<", beforeMs)
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

function scopesText(scopes: readonly CredentialScope[] | undefined): string | null {
  return scopes === undefined ? null : JSON.stringify(scopes.map(toScopeJson));
}

function networksText(networks: readonly IpNetwork[] | undefined): string | null {
  return networks === undefined ? null : JSON.stringify(networks.map(({ text }) => text));
}

/** Networks as a row has them. */
export function networksOf(text: string | null): readonly IpNetwork[] | undefined {
  // as: `networksText` wrote it
  return text === null ? undefined : (JSON.parse(text) as readonly string[]).map(parseIpNetwork);
}

function toToken(row: {
  readonly id: number;
  readonly public_id: string;
  readonly user_id: number;
  readonly kind: string;
  readonly name: string;
  readonly description: string;
  readonly scopes: string | null;
  readonly networks: string | null;
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
  readonly expires_at_ms: number | null;
  readonly last_used_at_ms: number | null;
  readonly last_used_address: string | null;
  readonly max_pulls_per_hour: number | null;
  readonly max_requests_per_minute: number | null;
}): AccessToken {
  return {
    id: row.id,
    publicId: row.public_id,
    userId: row.user_id,
    // What is unknown was written by a later version: it is taken for the least.
    kind: accessTokenKinds.find((kind) => kind === row.kind) ?? "application",
    name: row.name,
    description: row.description,
    // as: `insertAccessToken` wrote it
    scopes:
      row.scopes === null
        ? undefined
        : (JSON.parse(row.scopes) as readonly CredentialScopeJson[]).map(toCredentialScope),
    networks: networksOf(row.networks),
    createdAtMs: row.created_at_ms,
    notBeforeMs: row.not_before_ms ?? undefined,
    expiresAtMs: row.expires_at_ms ?? undefined,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
    lastUsedAddress: row.last_used_address ?? undefined,
    limits: {
      maxPullsPerHour: row.max_pulls_per_hour ?? undefined,
      maxRequestsPerMinute: row.max_requests_per_minute ?? undefined,
    },
  };
}
