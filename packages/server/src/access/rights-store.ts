import { matchesRepository, pathsAbove, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import { type RepositoryName, tryParseRepositoryName } from "@entrepot/oci/repository-name";
import { sql } from "kysely";
import type { Queryable } from "../storage/database/database.ts";
import type { RepositoryState, Visibility } from "./actions.ts";
import { type Role, toRole } from "./roles.ts";

/** What decides about one repository for one user: read in one statement. */
export interface RightsFacts {
  /** Undefined = there is no such repository. */
  readonly repositoryId: number | undefined;
  readonly visibility: Visibility;
  readonly state: RepositoryState;
  /** Undefined = there is no such namespace. */
  readonly namespaceId: number | undefined;
  readonly isOwner: boolean;
  readonly createOnPush: boolean;
  readonly teamRoles: readonly TeamRole[];
  /** Those that name the repository, directly or by pattern. */
  readonly grants: readonly EffectiveGrant[];
  /** Where the name leads that no repository has now: the present name of the one that had it, or its name in a renamed namespace. */
  readonly movedTo: RepositoryName | undefined;
}

/** What a team may in its organization. */
export const teamRoles = ["member", "creator", "admin"] as const;
export type TeamRole = (typeof teamRoles)[number];

export interface EffectiveGrant {
  readonly id: number;
  readonly role: Role;
  readonly expiresAtMs: number | undefined;
}

/** `userId` 0 = nobody in particular. */
export async function loadRights(
  db: Queryable,
  asked: { readonly userId: number; readonly repository: string; readonly namespace: string },
): Promise<RightsFacts> {
  const { userId, repository, namespace } = asked;
  const paths = pathsAbove(repository);
  const teamsOfUser = db.selectFrom("team_members").select("team_id").where("user_id", "=", userId);
  const repositoryOf = db.selectFrom("repositories").select("id").where("name", "=", repository);
  const none = sql<string | null>`cast(null as text)`;
  const no = sql<number | null>`cast(null as bigint)`;
  const grants = db
    .selectFrom("grants as g")
    .select([
      sql<string>`'grant'`.as("what"),
      sql<number | null>`g.id`.as("id"),
      no.as("other"),
      "g.expires_at_ms as number",
      sql<string | null>`g.role`.as("text"),
      "g.pattern as pattern",
      none.as("state"),
    ]);
  // Each kind by itself, so that each is a seek: a condition with "or" would look at everything that the user was ever granted.
  const onRepository = grants.where("g.repository_id", "=", repositoryOf);
  const onPath = grants.where("g.prefix", "in", [...paths]);
  const rows = await db
    .selectFrom("namespaces as n")
    .leftJoin("repositories as r", (join) => join.on("r.name", "=", repository))
    .select([
      sql<string>`'facts'`.as("what"),
      sql<number | null>`r.id`.as("id"),
      sql<number | null>`n.id`.as("other"),
      sql<number | null>`case when n.owner_user_id = ${userId} then 1 else 0 end`.as("number"),
      sql<string | null>`r.visibility`.as("text"),
      sql<string | null>`cast(n.create_on_push as text)`.as("pattern"),
      sql<string | null>`r.state`.as("state"),
    ])
    .where("n.name", "=", namespace)
    .unionAll(
      db
        .selectFrom("teams as t")
        .innerJoin("namespaces as tn", "tn.id", "t.namespace_id")
        .select([
          sql<string>`'team'`.as("what"),
          sql<number | null>`t.id`.as("id"),
          no.as("other"),
          no.as("number"),
          sql<string | null>`t.role`.as("text"),
          none.as("pattern"),
          none.as("state"),
        ])
        .where("tn.name", "=", namespace)
        .where("t.id", "in", teamsOfUser),
    )
    .unionAll(onRepository.where("g.user_id", "=", userId))
    .unionAll(onRepository.where("g.team_id", "in", teamsOfUser))
    .unionAll(onPath.where("g.user_id", "=", userId))
    .unionAll(onPath.where("g.team_id", "in", teamsOfUser))
    .unionAll(
      db
        .selectFrom("repository_aliases as ra")
        .innerJoin("repositories as moved", "moved.id", "ra.repository_id")
        .select([
          sql<string>`'repository-alias'`.as("what"),
          no.as("id"),
          no.as("other"),
          no.as("number"),
          sql<string | null>`moved.name`.as("text"),
          none.as("pattern"),
          none.as("state"),
        ])
        .where("ra.name", "=", repository),
    )
    .unionAll(
      db
        .selectFrom("namespace_aliases as na")
        .innerJoin("namespaces as renamed", "renamed.id", "na.namespace_id")
        .select([
          sql<string>`'namespace-alias'`.as("what"),
          no.as("id"),
          no.as("other"),
          no.as("number"),
          sql<string | null>`renamed.name`.as("text"),
          none.as("pattern"),
          none.as("state"),
        ])
        .where("na.name", "=", namespace),
    )
    .execute();
  return toFacts(rows, asked);
}

interface RightsRow {
  readonly what: string;
  readonly id: number | null;
  readonly other: number | null;
  readonly number: number | null;
  readonly text: string | null;
  readonly pattern: string | null;
  readonly state: string | null;
}

function toFacts(
  rows: readonly RightsRow[],
  asked: { readonly repository: string; readonly namespace: string },
): RightsFacts {
  const { repository } = asked;
  const facts = rows.find((row) => row.what === "facts");
  const grants = rows.filter(
    (row) =>
      row.what === "grant" &&
      // as: `upsertGrant` wrote it
      (row.pattern === null || matchesRepository(row.pattern as RepositoryPattern, repository)),
  );
  return {
    repositoryId: facts?.id ?? undefined,
    visibility: toVisibility(facts?.text),
    state: facts?.state === "frozen" || facts?.state === "hidden" ? facts.state : "active",
    namespaceId: facts?.other ?? undefined,
    isOwner: facts?.number === 1,
    createOnPush: facts?.pattern === "1",
    teamRoles: rows
      .filter((row) => row.what === "team")
      .map((row) => teamRoles.find((role) => role === row.text) ?? "member"),
    grants: grants.map((row) => ({
      id: Number(row.id),
      role: toRole(String(row.text)),
      expiresAtMs: row.number ?? undefined,
    })),
    movedTo: typeof facts?.id === "number" ? undefined : movedTo(rows, asked),
  };
}

function movedTo(
  rows: readonly RightsRow[],
  { repository, namespace }: { readonly repository: string; readonly namespace: string },
): RepositoryName | undefined {
  const alias = rows.find((row) => row.what === "repository-alias")?.text;
  if (typeof alias === "string") return tryParseRepositoryName(alias);
  const renamed = rows.find((row) => row.what === "namespace-alias")?.text;
  if (typeof renamed !== "string" || !repository.startsWith(`${namespace}/`)) return undefined;
  return tryParseRepositoryName(`${renamed}${repository.slice(namespace.length)}`);
}

export function toVisibility(text: string | null | undefined): Visibility {
  return text === "public" || text === "internal" ? text : "private";
}

/** What a user is in a namespace: its owner, or what their teams make them; undefined = there is no such namespace. */
export async function loadNamespaceStanding(
  db: Queryable,
  userId: number,
  namespace: string,
): Promise<
  | { readonly namespaceId: number; readonly isOwner: boolean; readonly teamRoles: readonly TeamRole[] }
  | undefined
> {
  const rows = await db
    .selectFrom("namespaces as n")
    .leftJoin("teams as t", (join) =>
      join
        .onRef("t.namespace_id", "=", "n.id")
        .on("t.id", "in", db.selectFrom("team_members").select("team_id").where("user_id", "=", userId)),
    )
    .select(["n.id", "n.owner_user_id", "t.role"])
    .where("n.name", "=", namespace)
    .execute();
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    namespaceId: first.id,
    isOwner: first.owner_user_id === userId,
    teamRoles: rows.flatMap((row) => teamRoles.find((role) => role === row.role) ?? []),
  };
}

/** What a user's listings show beyond what visibility opens: grants, and namespaces that they own or administer. */
export async function loadListable(
  db: Queryable,
  userId: number,
): Promise<{
  readonly namespaceIds: readonly number[];
  readonly grants: readonly {
    readonly repositoryId: number | undefined;
    readonly pattern: RepositoryPattern | undefined;
    readonly expiresAtMs: number | undefined;
  }[];
}> {
  const teamsOfUser = db.selectFrom("team_members").select("team_id").where("user_id", "=", userId);
  const namespaces = await db
    .selectFrom("namespaces")
    .select("id")
    .where("owner_user_id", "=", userId)
    .union(
      db
        .selectFrom("teams")
        .select("namespace_id as id")
        .where("role", "=", "admin")
        .where("id", "in", teamsOfUser),
    )
    .execute();
  const grants = db.selectFrom("grants").select(["repository_id", "pattern", "expires_at_ms"]);
  const rows = await grants
    .where("user_id", "=", userId)
    .unionAll(grants.where("team_id", "in", teamsOfUser))
    .execute();
  return {
    namespaceIds: namespaces.map((row) => row.id),
    grants: rows.map((row) => ({
      repositoryId: row.repository_id ?? undefined,
      // as: `upsertGrant` wrote it
      pattern: row.pattern === null ? undefined : (row.pattern as RepositoryPattern),
      expiresAtMs: row.expires_at_ms ?? undefined,
    })),
  };
}
