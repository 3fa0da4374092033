import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import fc from "fast-check";
import type { Database, Tx } from "../../storage/database/database.ts";
import { bumpAccessVersion } from "../access-version-store.ts";
import { repositoryStates, visibilities } from "../actions.ts";
import { accountKinds } from "../actor.ts";
import { upsertGrant } from "../grant-store.ts";
import { teamRoles } from "../rights-store.ts";
import { roles } from "../roles.ts";

/** The time in these worlds. */
export const nowMs = 1_000;

/** Exist or not: in a user's namespace, organizations', the default one, one that was renamed, and one that is not there. */
export const names = [
  "user0/a",
  "user1/a/b",
  "acme/a",
  "acme/a/b",
  "acme/ab",
  "zoo/a",
  "zoo/b/c/d",
  "alone",
  "former/a",
  "nowhere/a",
].map(parseRepositoryName);

export const patterns = [
  "**",
  "*/a",
  "acme/**",
  "acme/a",
  "acme/a/**",
  "acme/a*",
  "zoo/*",
  "zoo/b/**",
  "user*/**",
  "nowhere/**",
  "al*",
].map(parseRepositoryPattern);

export const namespaceNames = ["user0", "user1", "acme", "zoo", "library", "nowhere"] as const;
const organizations = ["acme", "zoo", "library"] as const;

/** What a test puts into the tables. Numbers name what comes at that place in the lists; one that names nothing leaves the row out. */
export type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

const users = fc.array(
  fc.record({
    kind: fc.constantFrom("person", "person", ...accountKinds),
    isAdmin: fc.constantFrom(false, false, false, true),
    isAuditor: fc.constantFrom(false, false, true),
  }),
  { minLength: 4, maxLength: 4 },
);

const subject = fc.oneof(
  fc.record({ user: fc.nat(3), team: fc.constant(undefined) }),
  fc.record({ user: fc.constant(undefined), team: fc.nat(3) }),
);

export const worlds = fc.record({
  users,
  createOnPush: fc.uniqueArray(fc.constantFrom(...namespaceNames)),
  teams: fc.uniqueArray(
    fc.record({
      namespace: fc.constantFrom(...organizations),
      role: fc.constantFrom(...teamRoles),
      members: fc.uniqueArray(fc.nat(3), { maxLength: 3 }),
    }),
    { maxLength: 4, selector: ({ namespace, role }) => `${namespace} ${role}` },
  ),
  repositories: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...names.slice(0, -2)),
      visibility: fc.constantFrom(...visibilities),
      state: fc.constantFrom("active", "active", ...repositoryStates),
    }),
    { selector: ({ name }) => name, maxLength: 6 },
  ),
  grants: fc.array(
    fc.record({
      subject,
      place: fc.oneof(
        fc.record({ repository: fc.nat(5), pattern: fc.constant(undefined) }),
        fc.record({ repository: fc.constant(undefined), pattern: fc.constantFrom(...patterns) }),
      ),
      role: fc.constantFrom(...roles),
      expiresAtMs: fc.constantFrom(undefined, undefined, nowMs - 1, nowMs, nowMs + 1),
    }),
    { maxLength: 8 },
  ),
  aliases: fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), repository: fc.nat(5) }), {
    selector: ({ name }) => name,
    maxLength: 3,
  }),
  isFormerAcme: fc.boolean(),
  delegated: fc.uniqueArray(fc.constantFrom(...patterns.slice(1)), { maxLength: 2 }),
});

/** Puts the world into the tables, in place of what was there. */
export async function fillWorld(database: Database, world: World): Promise<void> {
  await database.transaction(async (tx) => {
    const tables = ["grants", "team_members", "teams", "repository_aliases", "namespace_aliases"] as const;
    for (const table of [...tables, "repositories", "namespaces", "users"] as const) {
      await tx.deleteFrom(table).execute();
    }
    const userIds = await insertUsers(tx, world);
    const namespaceIds = await insertNamespaces(tx, world, userIds);
    const teamIds = await insertTeams(tx, world, { userIds, namespaceIds });
    const repositoryIds = await insertRepositories(tx, world, namespaceIds);
    await insertGrants(tx, world, { userIds, teamIds, repositoryIds });
    await bumpAccessVersion(tx);
  });
}

async function insertUsers(tx: Tx, world: World): Promise<readonly number[]> {
  const rows = world.users.map(({ kind, isAdmin, isAuditor }, index) => ({
    username: `user${index}`,
    kind,
    password_hash: null,
    is_admin: isAdmin ? 1 : 0,
    is_auditor: isAuditor ? 1 : 0,
    is_disabled: 0,
    created_at_ms: 0,
  }));
  const inserted = await tx.insertInto("users").values(rows).returning(["id", "username"]).execute();
  return inserted.sort((a, b) => (a.username < b.username ? -1 : 1)).map(({ id }) => id);
}

async function insertNamespaces(
  tx: Tx,
  world: World,
  userIds: readonly number[],
): Promise<ReadonlyMap<string, number>> {
  const existing = namespaceNames.slice(0, -1);
  const rows = existing.map((name) => {
    const owner = /^user([0-9])$/.exec(name)?.[1];
    return {
      name,
      kind: owner === undefined ? "organization" : "user",
      owner_user_id: owner === undefined ? null : (userIds[Number(owner)] ?? null),
      default_visibility: "private",
      create_on_push: world.createOnPush.includes(name) ? 1 : 0,
      created_at_ms: 0,
    };
  });
  const inserted = await tx.insertInto("namespaces").values(rows).returning(["id", "name"]).execute();
  const ids = new Map(inserted.map(({ id, name }) => [name, id]));
  const acme = ids.get("acme");
  if (acme !== undefined && world.isFormerAcme) {
    const alias = { name: "former", namespace_id: acme, created_at_ms: 0 };
    await tx.insertInto("namespace_aliases").values(alias).execute();
  }
  return ids;
}

async function insertTeams(
  tx: Tx,
  world: World,
  ids: { readonly userIds: readonly number[]; readonly namespaceIds: ReadonlyMap<string, number> },
): Promise<readonly number[]> {
  const made: number[] = [];
  for (const { namespace, role, members } of world.teams) {
    const { id } = await tx
      .insertInto("teams")
      .values({
        namespace_id: ids.namespaceIds.get(namespace) ?? 0,
        name: role,
        role,
        description: "",
        created_at_ms: 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    made.push(id);
    for (const member of members) {
      const row = { team_id: id, user_id: ids.userIds[member] ?? 0, origin: "manual", added_at_ms: 0 };
      await tx.insertInto("team_members").values(row).execute();
    }
  }
  return made;
}

async function insertRepositories(
  tx: Tx,
  world: World,
  namespaceIds: ReadonlyMap<string, number>,
): Promise<readonly number[]> {
  const made: number[] = [];
  for (const { name, visibility, state } of world.repositories) {
    const namespace = name.includes("/") ? name.slice(0, name.indexOf("/")) : "library";
    const row = {
      name,
      namespace_id: namespaceIds.get(namespace) ?? 0,
      visibility,
      state,
      created_at_ms: 0,
    };
    const { id } = await tx.insertInto("repositories").values(row).returning("id").executeTakeFirstOrThrow();
    made.push(id);
  }
  for (const { name, repository } of world.aliases) {
    const repositoryId = made[repository];
    if (repositoryId === undefined) continue;
    const alias = { name, repository_id: repositoryId, created_at_ms: 0 };
    await tx.insertInto("repository_aliases").values(alias).execute();
  }
  return made;
}

async function insertGrants(
  tx: Tx,
  world: World,
  ids: {
    readonly userIds: readonly number[];
    readonly teamIds: readonly number[];
    readonly repositoryIds: readonly number[];
  },
): Promise<void> {
  for (const { subject: whom, place, role, expiresAtMs } of world.grants) {
    const userId = whom.user === undefined ? undefined : ids.userIds[whom.user];
    const teamId = whom.team === undefined ? undefined : ids.teamIds[whom.team];
    const repositoryId = place.repository === undefined ? undefined : ids.repositoryIds[place.repository];
    if (userId === undefined && teamId === undefined) continue;
    if (place.pattern === undefined && repositoryId === undefined) continue;
    await upsertGrant(tx, {
      subject: userId === undefined ? { teamId: teamId ?? 0 } : { userId },
      place: place.pattern === undefined ? { repositoryId: repositoryId ?? 0 } : { pattern: place.pattern },
      namespaceId: undefined,
      role,
      expiresAtMs,
      nowMs: 0,
      createdBy: "",
    });
  }
}
