import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryAction } from "../../access/actions.ts";
import type { IpNetwork } from "../../lib/ip-network.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import { networksOf } from "../access-tokens/access-token-store.ts";

/** What an issuer can give at most; nothing that it issued is ever good for more. */
export interface IssuerBox {
  readonly repositories: readonly RepositoryPattern[];
  /** Of pull, push and delete. */
  readonly actions: readonly RepositoryAction[];
  readonly maxLifetimeSeconds: number | undefined;
  /** Credentials that are good at one time. */
  readonly maxActive: number | undefined;
  readonly requireExpiry: boolean;
  readonly networks: readonly IpNetwork[] | undefined;
  /** Of one credential. */
  readonly maxPullsPerHour: number | undefined;
}

export interface Issuer {
  readonly userId: number;
  readonly username: string;
  readonly description: string;
  readonly isDisabled: boolean;
  readonly createdAtMs: number;
  /** Undefined = of the whole registry. */
  readonly namespaceId: number | undefined;
  readonly box: IssuerBox;
}

function issuers(db: Queryable) {
  return db
    .selectFrom("issuers as i")
    .innerJoin("users as u", "u.id", "i.user_id")
    .select([
      "u.id",
      "u.username",
      "u.description",
      "u.is_disabled",
      "u.created_at_ms",
      "u.namespace_id",
      "i.repositories",
      "i.actions",
      "i.max_lifetime_seconds",
      "i.max_active",
      "i.require_expiry",
      "i.networks",
      "i.max_pulls_per_hour",
    ]);
}

/** Issuers of a namespace, or those of the whole registry (`namespaceId` undefined), by name. */
export async function listIssuers(
  db: Queryable,
  namespaceId: number | undefined,
): Promise<readonly Issuer[]> {
  const query = issuers(db).orderBy("u.username");
  const rows = await (namespaceId === undefined
    ? query.where("u.namespace_id", "is", null)
    : query.where("u.namespace_id", "=", namespaceId)
  ).execute();
  return rows.map(toIssuer);
}

export async function findIssuer(db: Queryable, username: string): Promise<Issuer | undefined> {
  const row = await issuers(db).where("u.username", "=", username).executeTakeFirst();
  return row === undefined ? undefined : toIssuer(row);
}

export async function findIssuerById(db: Queryable, userId: number): Promise<Issuer | undefined> {
  const row = await issuers(db).where("i.user_id", "=", userId).executeTakeFirst();
  return row === undefined ? undefined : toIssuer(row);
}

/** Who issued an account. */
export async function findIssuerOf(db: Queryable, issuedUserId: number): Promise<Issuer | undefined> {
  const row = await issuers(db)
    .where("i.user_id", "=", (query) =>
      query
        .selectFrom("users as issued")
        .select("issued.issuer_user_id")
        .where("issued.id", "=", issuedUserId),
    )
    .executeTakeFirst();
  return row === undefined ? undefined : toIssuer(row);
}

/** Keeps the namespace of an issuer, if it has one, from being renamed or deleted until this transaction ends: accounts are called after it. */
export async function holdHomeOf(tx: Tx, issuerUserId: number): Promise<void> {
  const home = tx
    .selectFrom("namespaces as n")
    .innerJoin("users as u", "u.namespace_id", "n.id")
    .select("n.id")
    .where("u.id", "=", issuerUserId);
  await forKeyShare(tx, home, "n").execute();
}

/** Holds the box as it is until this transaction ends; others that hold it wait. */
export async function lockIssuer(tx: Tx, userId: number): Promise<Issuer | undefined> {
  await forNoKeyUpdate(
    tx,
    tx.selectFrom("issuers").select("user_id").where("user_id", "=", userId),
  ).executeTakeFirst();
  return findIssuerById(tx, userId);
}

/** Inserts an issuer with its account; undefined when the name is taken. */
export async function insertIssuer(
  tx: Tx,
  issuer: {
    readonly username: string;
    readonly namespaceId: number | undefined;
    readonly description: string;
    readonly createdBy: string;
    readonly nowMs: number;
    readonly box: IssuerBox;
  },
): Promise<number | undefined> {
  const row = await tx
    .insertInto("users")
    .values({
      username: issuer.username,
      kind: "issuer",
      password_hash: null,
      is_admin: 0,
      is_disabled: 0,
      created_at_ms: issuer.nowMs,
      created_by: issuer.createdBy,
      namespace_id: issuer.namespaceId ?? null,
      description: issuer.description,
    })
    .onConflict((conflict) => conflict.column("username").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (row === undefined) return undefined;
  await tx
    .insertInto("issuers")
    .values({ user_id: row.id, ...boxColumns(issuer.box) })
    .execute();
  return row.id;
}

export async function updateIssuer(
  tx: Tx,
  userId: number,
  change: { readonly description: string; readonly isDisabled: boolean; readonly box: IssuerBox },
): Promise<void> {
  await tx.updateTable("issuers").set(boxColumns(change.box)).where("user_id", "=", userId).execute();
  await tx
    .updateTable("users")
    .set({ description: change.description, is_disabled: change.isDisabled ? 1 : 0 })
    .where("id", "=", userId)
    .execute();
}

function boxColumns(box: IssuerBox) {
  return {
    repositories: JSON.stringify(box.repositories),
    actions: JSON.stringify(box.actions),
    max_lifetime_seconds: box.maxLifetimeSeconds ?? null,
    max_active: box.maxActive ?? null,
    require_expiry: box.requireExpiry ? 1 : 0,
    networks: box.networks === undefined ? null : JSON.stringify(box.networks.map(({ text }) => text)),
    max_pulls_per_hour: box.maxPullsPerHour ?? null,
  };
}

function toIssuer(row: {
  readonly id: number;
  readonly username: string;
  readonly description: string;
  readonly is_disabled: number;
  readonly created_at_ms: number;
  readonly namespace_id: number | null;
  readonly repositories: string;
  readonly actions: string;
  readonly max_lifetime_seconds: number | null;
  readonly max_active: number | null;
  readonly require_expiry: number;
  readonly networks: string | null;
  readonly max_pulls_per_hour: number | null;
}): Issuer {
  return {
    userId: row.id,
    username: row.username,
    description: row.description,
    isDisabled: row.is_disabled === 1,
    createdAtMs: row.created_at_ms,
    namespaceId: row.namespace_id ?? undefined,
    box: {
      // as: `boxColumns` wrote both
      repositories: JSON.parse(row.repositories) as readonly RepositoryPattern[],
      actions: JSON.parse(row.actions) as readonly RepositoryAction[],
      maxLifetimeSeconds: row.max_lifetime_seconds ?? undefined,
      maxActive: row.max_active ?? undefined,
      requireExpiry: row.require_expiry === 1,
      networks: networksOf(row.networks),
      maxPullsPerHour: row.max_pulls_per_hour ?? undefined,
    },
  };
}
