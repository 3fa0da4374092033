import type { Selectable } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import type { Tables } from "../../storage/database/tables.ts";

/** An account at a provider that leads to a user here. */
export interface Identity {
  readonly id: number;
  readonly providerId: number;
  readonly subject: string;
  readonly userId: number;
  readonly username: string;
  readonly email: string | undefined;
  readonly isGoverning: boolean;
  readonly givesAdmin: boolean;
  readonly givesAuditor: boolean;
  readonly isRestricted: boolean;
  readonly lostAtMs: number | undefined;
  readonly hasDisabledUser: boolean;
  readonly createdAtMs: number;
  readonly confirmedAtMs: number;
  readonly lastSignInAtMs: number | undefined;
}

export interface IdentityChange {
  readonly username?: string;
  readonly email?: string | undefined;
  readonly givesAdmin?: boolean;
  readonly givesAuditor?: boolean;
  readonly isRestricted?: boolean;
  readonly lostAtMs?: number | undefined;
  readonly hasDisabledUser?: boolean;
  readonly confirmedAtMs?: number;
  readonly lastSignInAtMs?: number;
}

/** The identity as it is, until this transaction ends. */
export async function lockIdentity(
  tx: Tx,
  of: { readonly providerId: number; readonly subject: string },
): Promise<Identity | undefined> {
  const query = tx
    .selectFrom("identities")
    .selectAll()
    .where("provider_id", "=", of.providerId)
    .where("subject", "=", of.subject);
  const row = await forNoKeyUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toIdentity(row);
}

export async function findIdentityById(db: Queryable, id: number): Promise<Identity | undefined> {
  const row = await db.selectFrom("identities").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toIdentity(row);
}

/** In the order in which they were linked. */
export async function listIdentitiesOfUser(db: Queryable, userId: number): Promise<readonly Identity[]> {
  const rows = await db
    .selectFrom("identities")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("id")
    .execute();
  return rows.map(toIdentity);
}

/** Those of a provider after `lastId`, with their users' names; `isLost` picks those that it knows no more, or the others. */
export async function listIdentitiesOfProvider(
  db: Queryable,
  page: {
    readonly providerId: number;
    readonly lastId: number;
    readonly limit: number;
    readonly isLost?: boolean | undefined;
  },
): Promise<readonly (Identity & { readonly user: string; readonly isUserDisabled: boolean })[]> {
  let query = db
    .selectFrom("identities as i")
    .innerJoin("users as u", "u.id", "i.user_id")
    .selectAll("i")
    .select(["u.username as user_name", "u.is_disabled"])
    .where("i.provider_id", "=", page.providerId)
    .where("i.id", ">", page.lastId)
    .orderBy("i.id")
    .limit(page.limit);
  if (page.isLost !== undefined) query = query.where("i.lost_at_ms", page.isLost ? "is not" : "is", null);
  const rows = await query.execute();
  return rows.map((row) => ({
    ...toIdentity(row),
    user: row.user_name,
    isUserDisabled: row.is_disabled === 1,
  }));
}

/** Undefined when the provider's subject leads to a user already. */
export async function insertIdentity(
  tx: Tx,
  identity: {
    readonly providerId: number;
    readonly subject: string;
    readonly userId: number;
    readonly username: string;
    readonly email: string | undefined;
    readonly isGoverning: boolean;
    readonly nowMs: number;
  },
): Promise<Identity | undefined> {
  const row = await tx
    .insertInto("identities")
    .values({
      provider_id: identity.providerId,
      subject: identity.subject,
      user_id: identity.userId,
      username: identity.username,
      email: identity.email ?? null,
      is_governing: identity.isGoverning ? 1 : 0,
      gives_admin: 0,
      gives_auditor: 0,
      is_restricted: 0,
      lost_at_ms: null,
      has_disabled_user: 0,
      created_at_ms: identity.nowMs,
      confirmed_at_ms: identity.nowMs,
      last_sign_in_at_ms: null,
    })
    .onConflict((conflict) => conflict.columns(["provider_id", "subject"]).doNothing())
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : toIdentity(row);
}

export async function updateIdentity(tx: Tx, id: number, change: IdentityChange): Promise<void> {
  const flag = (value: boolean) => (value ? 1 : 0);
  const values = {
    ...(change.username === undefined ? {} : { username: change.username }),
    ...("email" in change ? { email: change.email ?? null } : {}),
    ...(change.givesAdmin === undefined ? {} : { gives_admin: flag(change.givesAdmin) }),
    ...(change.givesAuditor === undefined ? {} : { gives_auditor: flag(change.givesAuditor) }),
    ...(change.isRestricted === undefined ? {} : { is_restricted: flag(change.isRestricted) }),
    ...("lostAtMs" in change ? { lost_at_ms: change.lostAtMs ?? null } : {}),
    ...(change.hasDisabledUser === undefined ? {} : { has_disabled_user: flag(change.hasDisabledUser) }),
    ...(change.confirmedAtMs === undefined ? {} : { confirmed_at_ms: change.confirmedAtMs }),
    ...(change.lastSignInAtMs === undefined ? {} : { last_sign_in_at_ms: change.lastSignInAtMs }),
  };
  if (Object.keys(values).length === 0) return;
  await tx.updateTable("identities").set(values).where("id", "=", id).execute();
}

export async function deleteIdentity(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("identities").where("id", "=", id).execute();
}

export async function listGroupsOf(db: Queryable, identityId: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("identity_groups")
    .select("name")
    .where("identity_id", "=", identityId)
    .orderBy("name")
    .execute();
  return rows.map(({ name }) => name);
}

/** The groups of all identities of a provider, by identity. */
export async function listGroupsOfProvider(
  db: Queryable,
  providerId: number,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const rows = await db
    .selectFrom("identity_groups as g")
    .innerJoin("identities as i", "i.id", "g.identity_id")
    .select(["g.identity_id", "g.name"])
    .where("i.provider_id", "=", providerId)
    .execute();
  const groups = new Map<number, string[]>();
  for (const { identity_id: id, name } of rows) {
    const held = groups.get(id);
    if (held === undefined) groups.set(id, [name]);
    else held.push(name);
  }
  return groups;
}

const rowsAtOnce = 200;

/** Notes that the provider has vouched for them without news. */
export async function confirmIdentities(tx: Tx, ids: readonly number[], nowMs: number): Promise<void> {
  for (let start = 0; start < ids.length; start += rowsAtOnce) {
    await tx
      .updateTable("identities")
      .set({ confirmed_at_ms: nowMs })
      .where("id", "in", ids.slice(start, start + rowsAtOnce))
      .execute();
  }
}

/** Replaces them. */
export async function putGroupsOf(tx: Tx, identityId: number, names: readonly string[]): Promise<void> {
  await tx.deleteFrom("identity_groups").where("identity_id", "=", identityId).execute();
  for (let start = 0; start < names.length; start += rowsAtOnce) {
    const values = names.slice(start, start + rowsAtOnce).map((name) => ({ identity_id: identityId, name }));
    await tx.insertInto("identity_groups").values(values).execute();
  }
}

function toIdentity(row: Selectable<Tables["identities"]>): Identity {
  return {
    id: row.id,
    providerId: row.provider_id,
    subject: row.subject,
    userId: row.user_id,
    username: row.username,
    email: row.email ?? undefined,
    isGoverning: row.is_governing === 1,
    givesAdmin: row.gives_admin === 1,
    givesAuditor: row.gives_auditor === 1,
    isRestricted: row.is_restricted === 1,
    lostAtMs: row.lost_at_ms ?? undefined,
    hasDisabledUser: row.has_disabled_user === 1,
    createdAtMs: row.created_at_ms,
    confirmedAtMs: row.confirmed_at_ms,
    lastSignInAtMs: row.last_sign_in_at_ms ?? undefined,
  };
}
