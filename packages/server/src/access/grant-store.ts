import { literalPrefixOf, pathsAbove, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Queryable, Tx } from "../storage/database/database.ts";
import { forKeyShare } from "../storage/database/row-locks.ts";
import { type Role, toRole } from "./roles.ts";

/** Whom a grant is for. */
export type GrantSubject = { readonly userId: number } | { readonly teamId: number };

/** What a grant is on. */
export type GrantPlace = { readonly repositoryId: number } | { readonly pattern: RepositoryPattern };

export interface Grant {
  readonly id: number;
  readonly username: string | undefined;
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

/** The grants of a namespace on paths, in the order in which they were made. */
export async function listPatternGrants(db: Queryable, namespaceId: number): Promise<readonly Grant[]> {
  const rows = await grantsWithNames(db)
    .where("g.namespace_id", "=", namespaceId)
    .where("g.pattern", "is not", null)
    .where("g.elevation_id", "is", null)
    .orderBy("g.id")
    .execute();
  return rows.map(toGrant);
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
    team: row.team ?? undefined,
    place: row.pattern ?? row.repository ?? "",
    isPattern: row.pattern !== null,
    role: toRole(row.role),
    expiresAtMs: row.expires_at_ms ?? undefined,
    isElevation: row.elevation_id !== null,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by ?? undefined,
  };
}
