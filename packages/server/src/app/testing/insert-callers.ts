import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { AccountKind, Actor } from "../../access/actor.ts";
import { anonymous } from "../../access/actor.ts";
import { toCredentialScope } from "../../access/credential-scope.ts";
import type { TeamRole } from "../../access/rights-store.ts";
import type { Role } from "../../access/roles.ts";
import { type CallerKind, callerKinds } from "../../http/openapi/caller-kinds.ts";
import { actorOf } from "../../identity/sign-in/living.ts";
import { findUserByName } from "../../identity/users/user-store.ts";
import type { Database, Tx } from "../../storage/database/database.ts";

/** An organization, a user's namespace, a repository in each, and an actor of every kind with the rights that `callerKinds` says. */
export interface Callers {
  readonly actors: Readonly<Record<CallerKind, Actor>>;
  /** What the kind of caller is asked about: their own namespace, or the organization. */
  placeOf(kind: CallerKind): { readonly namespace: string; readonly repository: string };
}

const organization = "acme";
const owned = "olga";

const grants: Partial<Readonly<Record<CallerKind, Role>>> = {
  reader: "read",
  writer: "write",
  "repository admin": "admin",
  robot: "write",
  issued: "read",
};
const teams: Partial<Readonly<Record<CallerKind, TeamRole>>> = {
  member: "member",
  creator: "creator",
  "namespace admin": "admin",
};

export async function insertCallers(database: Database): Promise<Callers> {
  const kinds = Object.keys(callerKinds).filter(isCallerKind);
  await database.transaction(async (tx) => {
    const namespaceId = await insertNamespace(tx, organization, null);
    const repositoryId = await insertRepository(tx, namespaceId, `${organization}/x`);
    for (const kind of kinds) {
      const { account } = callerKinds[kind];
      if (account === "nobody" || account === "external") continue;
      const userId = await insertUser(tx, nameOf(kind), {
        account,
        isAdmin: "isAdmin" in callerKinds[kind],
        isAuditor: "isAuditor" in callerKinds[kind],
        namespaceId: account === "robot" || account === "issuer" ? namespaceId : null,
      });
      const role = grants[kind];
      if (role !== undefined) await insertGrant(tx, { namespaceId, repositoryId, userId, role });
      const teamRole = teams[kind];
      if (teamRole !== undefined) await insertTeam(tx, namespaceId, userId, teamRole);
      if (kind === "owner") {
        const own = await insertNamespace(tx, owned, userId);
        await insertRepository(tx, own, `${owned}/x`);
      }
    }
    await bumpAccessVersion(tx);
  });
  const entries = await Promise.all(
    kinds.map(async (kind) => [kind, await actorFor(database, kind)] as const),
  );
  return {
    // as: one entry for each kind
    actors: Object.fromEntries(entries) as Record<CallerKind, Actor>,
    placeOf: (kind) => {
      const namespace = kind === "owner" ? owned : organization;
      return { namespace, repository: `${namespace}/x` };
    },
  };
}

async function actorFor(database: Database, kind: CallerKind): Promise<Actor> {
  if (kind === "anonymous") return anonymous;
  if (kind === "external") {
    const nobody = { authority: "no such point", principal: "p", username: "p" };
    return { kind: "external", ...nobody, limits: undefined, credentialScopes: undefined };
  }
  const found = await findUserByName(database.read, nameOf(kind));
  if (found === undefined) throw new Error(`there is no ${kind}`);
  const { passwordHash: _, ...user } = found;
  const actor = actorOf({ user, accessToken: undefined, passwordEpoch: undefined }, "password");
  const actions = ["pull", "push"] as const;
  const repositories = `${organization}/x`;
  if (kind === "limited token") {
    return { ...actor, credentialScopes: [toCredentialScope({ repositories, actions })] };
  }
  if (kind === "bearer token") {
    return { ...actor, limits: [{ type: "repository", name: repositories, actions }] };
  }
  return actor;
}

function nameOf(kind: CallerKind): string {
  return kind.replaceAll(" ", "-");
}

export function isCallerKind(text: string): text is CallerKind {
  return Object.hasOwn(callerKinds, text);
}

async function insertNamespace(tx: Tx, name: string, ownerUserId: number | null): Promise<number> {
  const row = await tx
    .insertInto("namespaces")
    .values({
      name,
      kind: ownerUserId === null ? "organization" : "user",
      owner_user_id: ownerUserId,
      default_visibility: "private",
      create_on_push: 1,
      created_at_ms: 0,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

async function insertRepository(tx: Tx, namespaceId: number, name: string): Promise<number> {
  const row = await tx
    .insertInto("repositories")
    .values({ name, namespace_id: namespaceId, visibility: "private", created_at_ms: 0 })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

async function insertUser(
  tx: Tx,
  username: string,
  user: {
    readonly account: AccountKind;
    readonly isAdmin: boolean;
    readonly isAuditor: boolean;
    readonly namespaceId: number | null;
  },
): Promise<number> {
  const row = await tx
    .insertInto("users")
    .values({
      username,
      kind: user.account,
      password_hash: null,
      is_admin: user.isAdmin ? 1 : 0,
      is_auditor: user.isAuditor ? 1 : 0,
      is_disabled: 0,
      created_at_ms: 0,
      namespace_id: user.namespaceId,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

async function insertGrant(
  tx: Tx,
  grant: {
    readonly namespaceId: number;
    readonly repositoryId: number;
    readonly userId: number;
    readonly role: Role;
  },
): Promise<void> {
  await tx
    .insertInto("grants")
    .values({
      namespace_id: grant.namespaceId,
      repository_id: grant.repositoryId,
      pattern: null,
      prefix: null,
      user_id: grant.userId,
      team_id: null,
      role: grant.role,
      expires_at_ms: null,
      created_at_ms: 0,
      created_by: null,
    })
    .execute();
}

async function insertTeam(tx: Tx, namespaceId: number, userId: number, role: TeamRole): Promise<void> {
  const { id } = await tx
    .insertInto("teams")
    .values({ namespace_id: namespaceId, name: `team-${role}`, role, description: "", created_at_ms: 0 })
    .returning("id")
    .executeTakeFirstOrThrow();
  await tx
    .insertInto("team_members")
    .values({ team_id: id, user_id: userId, origin: "manual", added_at_ms: 0 })
    .execute();
}
