import { literalPrefixOf, pathsAbove, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Queryable, Tx } from "../storage/database/database.ts";
import { forKeyShare } from "../storage/database/row-locks.ts";
import { type AccountKind, accountKinds } from "./actor.ts";
import { type Role, toRole } from "./roles.ts";

/** Whom a grant is for. */
export type GrantSubject = { readonly userId: number } | { readonly teamId: number };

/** What a grant is on. */
export type GrantPlace = { readonly repositoryId: number } | { readonly pattern: RepositoryPattern };

export interface Grant {
  readonly id: number;
  readonly username: string | undefined;
  /** What kind of account the user is. */
  readonly account: AccountKind | undefined;
  readonly team: string | undefined;
  /** The name of one repository, or a pattern. */
  readonly place: string;
  readonly isPattern: boolean;
  readonly role: Role;
  readonly expiresAtMs: number | undefined;
  /** It holds for the time of an elevation only. */
  readonly isElevation: boolean;
  readonly createdAtMs: number;
  readonly createdBy: string | undefined;
}

export async function findRepositoryId(db: Queryable, name: string): Promise<number | undefined> {
  const row = await db.selectFrom("repositories").select("id").where("name", "=", name).executeTakeFirst();
  return row?.id;
}

/** Where a repository is, for a look that changes nothing. */
export async function findRepositoryPlace(
  db: Queryable,
  name: string,
): Promise<{ readonly id: number; readonly namespaceId: number } | undefined> {
  const query = db.selectFrom("repositories").select(["id", "namespace_id"]).where("name", "=", name);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : { id: row.id, namespaceId: row.namespace_id };
}

/** The repository, which is not deleted until this transaction ends. */
export async function holdRepository(
  tx: Tx,
  name: string,
): Promise<{ readonly id: number; readonly namespaceId: number } | undefined> {
  const query = tx.selectFrom("repositories").select(["id", "namespace_id"]).where("name", "=", name);
  const row = await forKeyShare(tx, query).executeTakeFirst();
  return row === undefined ? undefined : { id: row.id, namespaceId: row.namespace_id };
}

function grantsWithNames(db: Queryable) {
  return db
    .selectFrom("grants as g")
    .leftJoin("users as u", "u.id", "g.user_id")
    .leftJoin("teams as t", "t.id", "g.team_id")
    .leftJoin("repositories as r", "r.id", "g.repository_id")
    .select([
      "g.id",
      "u.username",
      "u.kind as account",
      "t.name as team",
      "r.name as repository",
      "g.pattern",
      "g.role",
      "g.expires_at_ms",
      "g.elevation_id",
      "g.created_at_ms",
      "g.created_by",
    ]);
}

/** The grants on one repository itself, by name of user, then of team. */
export async function listGrantsOn(db: Queryable, repositoryId: number): Promise<readonly Grant[]> {
  const rows = await grantsWithNames(db)
    .where("g.repository_id", "=", repositoryId)
    .where("g.elevation_id", "is", null)
    .orderBy("u.username")
    .orderBy("t.name")
    .execute();
  return rows.map(toGrant);
}

/**
 * The grants of a namespace in the order in which they were made, after the one with the id `after`: those on paths, and those on single
 * repositories if wanted; only those that `concerning` has by name or through a team, when it is given.
 */
export async function listNamespaceGrants(
  db: Queryable,
  namespaceId: number,
  page: {
    readonly after: number;
    readonly limit: number;
    readonly withRepositories: boolean;
    readonly concerning: number | undefined;
  },
): Promise<readonly Grant[]> {
  let query = grantsWithNames(db)
    .where("g.namespace_id", "=", namespaceId)
    .where("g.elevation_id", "is", null)
    .where("g.id", ">", page.after)
    .orderBy("g.id")
    .limit(page.limit);
  if (!page.withRepositories) query = query.where("g.pattern", "is not", null);
  const { concerning } = page;
  if (concerning !== undefined) {
    query = query.where(({ eb, or, selectFrom }) =>
      or([
        eb("g.user_id", "=", concerning),
        eb("g.team_id", "in", selectFrom("team_members").select("team_id").where("user_id", "=", concerning)),
      ]),
    );
  }
  return (await query.execute()).map(toGrant);
}

/**
 * Who has a grant in a namespace without being in a team of it, by user name after `last`: people from outside, and robots of other namespaces.
 * Grants that have run out do not count.
 */
export async function listCollaborators(
  db: Queryable,
  namespaceId: number,
  page: { readonly last: string | undefined; readonly limit: number; readonly nowMs: number },
): Promise<readonly { readonly username: string; readonly account: AccountKind; readonly grants: number }[]> {
  let query = db
    .selectFrom("grants as g")
    .innerJoin("users as u", "u.id", "g.user_id")
    .select(["u.username", "u.kind"])
    .select(({ fn }) => fn.countAll<number>().as("grants"))
    .where("g.namespace_id", "=", namespaceId)
    .where(({ eb, or }) => or([eb("g.expires_at_ms", "is", null), eb("g.expires_at_ms", ">", page.nowMs)]))
    .where("u.id", "not in", (eb) =>
      eb
        .selectFrom("team_members as m")
        .innerJoin("teams as t", "t.id", "m.team_id")
        .select("m.user_id")
        .where("t.namespace_id", "=", namespaceId),
    )
    .where(({ eb, or }) => or([eb("u.namespace_id", "is", null), eb("u.namespace_id", "!=", namespaceId)]))
    .groupBy(["u.username", "u.kind"])
    .orderBy("u.username")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("u.username", ">", page.last);
  return (await query.execute()).map((row) => ({
    username: row.username,
    account: accountKinds.find((kind) => kind === row.kind) ?? "person",
    grants: Number(row.grants),
  }));
}

/** The role that the subject has there by hand, and until when; undefined = none. */
export async function findGrant(
  tx: Tx,
  subject: GrantSubject,
  place: GrantPlace,
): Promise<{ readonly role: Role; readonly expiresAtMs: number | undefined } | undefined> {
  let query = tx.selectFrom("grants").select(["role", "expires_at_ms"]).where("elevation_id", "is", null);
  query =
    "userId" in subject
      ? query.where("user_id", "=", subject.userId)
      : query.where("team_id", "=", subject.teamId);
  query =
    "repositoryId" in place
      ? query.where("repository_id", "=", place.repositoryId)
      : query.where("pattern", "=", place.pattern);
  const row = await query.executeTakeFirst();
  return row === undefined
    ? undefined
    : { role: toRole(row.role), expiresAtMs: row.expires_at_ms ?? undefined };
}

/** Drops up to `limit` grants that ran out before `beforeMs`; they have given nothing since. Those of elevations are theirs to drop. */
export async function pruneExpiredGrants(tx: Tx, beforeMs: number, limit: number): Promise<void> {
  const expired = tx
    .selectFrom("grants")
    .select("id")
    .where("expires_at_ms", "<", beforeMs)
    .where("elevation_id", "is", null)
    .limit(limit);
  await tx.deleteFrom("grants").where("id", "in", expired).execute();
}

/** The grants of these ids, by id; those that are gone are left out. */
export async function findGrants(db: Queryable, ids: readonly number[]): Promise<readonly Grant[]> {
  if (ids.length === 0) return [];
  const rows = await grantsWithNames(db)
    .where("g.id", "in", [...ids])
    .orderBy("g.id")
    .execute();
  return rows.map(toGrant);
}

/**
 * Grants that may reach a repository, by id after `afterId`, at most `limit`: those on it and those on paths at or above it. Whether a pattern
 * names it is for the caller to see.
 */
export async function listGrantsNear(
  db: Queryable,
  repository: { readonly id: number; readonly namespaceId: number; readonly name: string },
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly Grant[]> {
  const paths = [...pathsAbove(repository.name)];
  const rows = await grantsWithNames(db)
    .where(({ or, and, eb }) =>
      or([
        eb("g.repository_id", "=", repository.id),
        and([eb("g.namespace_id", "=", repository.namespaceId), eb("g.prefix", "in", paths)]),
        and([eb("g.namespace_id", "is", null), eb("g.prefix", "in", paths)]),
      ]),
    )
    .where("g.id", ">", page.afterId)
    .orderBy("g.id")
    .limit(page.limit)
    .execute();
  return rows.map(toGrant);
}

/** Grants a role, in place of the one that the subject had there. */
export async function upsertGrant(
  tx: Tx,
  grant: {
    readonly subject: GrantSubject;
    readonly place: GrantPlace;
    /** Whose grant it is; undefined = of the whole registry. */
    readonly namespaceId: number | undefined;
    readonly role: Role;
    readonly expiresAtMs: number | undefined;
    readonly nowMs: number;
    readonly createdBy: string;
  },
): Promise<void> {
  await deleteGrant(tx, grant.subject, grant.place);
  const { subject, place } = grant;
  const pattern = "pattern" in place ? place.pattern : null;
  await tx
    .insertInto("grants")
    .values({
      namespace_id: grant.namespaceId ?? null,
      repository_id: "repositoryId" in place ? place.repositoryId : null,
      pattern,
      prefix: pattern === null ? null : literalPrefixOf(pattern),
      user_id: "userId" in subject ? subject.userId : null,
      team_id: "teamId" in subject ? subject.teamId : null,
      role: grant.role,
      expires_at_ms: grant.expiresAtMs ?? null,
      created_at_ms: grant.nowMs,
      created_by: grant.createdBy,
    })
    .execute();
}

/** False when there was none. */
export async function deleteGrant(tx: Tx, subject: GrantSubject, place: GrantPlace): Promise<boolean> {
  let query = tx.deleteFrom("grants").where("elevation_id", "is", null);
  query =
    "userId" in subject
      ? query.where("user_id", "=", subject.userId)
      : query.where("team_id", "=", subject.teamId);
  query =
    "repositoryId" in place
      ? query.where("repository_id", "=", place.repositoryId)
      : query.where("pattern", "=", place.pattern);
  return (await query.executeTakeFirst()).numDeletedRows > 0n;
}

function toGrant(row: {
  readonly id: number;
  readonly username: string | null;
  readonly account: string | null;
  readonly team: string | null;
  readonly repository: string | null;
  readonly pattern: string | null;
  readonly role: string;
  readonly expires_at_ms: number | null;
  readonly elevation_id: number | null;
  readonly created_at_ms: number;
  readonly created_by: string | null;
}): Grant {
  return {
    id: row.id,
    username: row.username ?? undefined,
    account: accountKinds.find((kind) => kind === row.account),
    team: row.team ?? undefined,
    place: String(row.pattern ?? row.repository), // one of them is set
    isPattern: row.pattern !== null,
    role: toRole(row.role),
    expiresAtMs: row.expires_at_ms ?? undefined,
    isElevation: row.elevation_id !== null,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by ?? undefined,
  };
}
