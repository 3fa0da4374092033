import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import fc from "fast-check";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import type { Access, Decision, ReadableRepositories } from "./access.ts";
import { bumpAccessVersion } from "./access-version-store.ts";
import { type RepositoryAction, repositoryActions } from "./actions.ts";
import { type Actor, anonymous, type UserActor } from "./actor.ts";
import { createAccess } from "./create-access.ts";
import { type CredentialScope, toCredentialScope } from "./credential-scope.ts";
import { upsertGrant } from "./grant-store.ts";
import { toVisibility } from "./rights-store.ts";
import { toRole } from "./roles.ts";
import { createVersionedCache } from "./versioned-cache.ts";

type Mode = "none" | "pull" | "full";
const modes = ["none", "pull", "full"] as const;

/** What a test puts into the tables; ids follow from the order. */
interface World {
  readonly users: readonly { readonly isAdmin: boolean; readonly createOnPush: boolean }[];
  readonly repositories: readonly { readonly name: string; readonly isPublic: boolean }[];
  readonly grants: readonly { readonly user: number; readonly repository: number; readonly role: string }[];
}

const username = (index: number) => `user${index}`;
/** Exist or not, in a user's namespace, an organization's, the default one, and one that is not there. */
const names = ["user0/a", "user0/a/b", "user1/a", "user2/a", "acme/a", "acme/b", "alone", "nowhere/a"].map(
  parseRepositoryName,
);

const worlds: fc.Arbitrary<World> = fc.record({
  users: fc.array(fc.record({ isAdmin: fc.boolean(), createOnPush: fc.boolean() }), {
    minLength: 2,
    maxLength: 3,
  }),
  repositories: fc.uniqueArray(
    fc.record({ name: fc.constantFrom(...names.slice(0, -1)), isPublic: fc.boolean() }),
    { selector: ({ name }) => name, maxLength: 6 },
  ),
  grants: fc.uniqueArray(
    fc.record({
      user: fc.nat(2),
      repository: fc.nat(5),
      role: fc.constantFrom("read", "write", "admin"),
    }),
    { selector: ({ user, repository }) => `${user} ${repository}`, maxLength: 6 },
  ),
});

const scope: fc.Arbitrary<Scope> = fc.record({
  type: fc.constantFrom("repository", "repository", "registry"),
  name: fc.constantFrom<string>(...names, "catalog"),
  actions: fc.subarray(["pull", "push", "delete", "admin", "*"]),
});
const scopes = fc.option(fc.array(scope, { maxLength: 4 }), { nil: undefined });

const credential = fc
  .record({
    repositories: fc.constantFrom<string>(...names, "**", "acme/*", "user0/**", "user*/a"),
    actions: fc.subarray([...repositoryActions]),
  })
  .map(toCredentialScope);

const askers = fc.record({
  user: fc.option(fc.nat(2), { nil: undefined }),
  limits: scopes,
  credential: fc.option(fc.array(credential, { maxLength: 4 }), { nil: undefined }),
});

eachDatabase((open) => {
  for (const mode of modes) {
    test(`decides as the tables say, with anonymous access "${mode}"`, async (t) => {
      const database = await open(t);
      const access = openAccess(database, mode);
      await fc.assert(
        fc.asyncProperty(worlds, fc.array(askers, { minLength: 1, maxLength: 4 }), async (world, asking) => {
          await fill(database, world);
          access.changed();
          const tables = await readTables(database);
          for (const asker of asking) await compare(access, tables, mode, toActor(tables, asker));
        }),
        { numRuns: 40 },
      );
    });
  }

  test("tells a stranger the same of a hidden repository and of none", async (t) => {
    const database = await open(t);
    await fill(database, {
      users: [{ isAdmin: false, createOnPush: true }],
      repositories: [{ name: "acme/a", isPublic: false }],
      grants: [],
    });
    const access = openAccess(database, "pull");
    const stranger = userActor((await readTables(database)).users[0]?.id ?? 0);
    for (const action of repositoryActions) {
      for (const actor of [stranger, anonymous]) {
        const hidden = await access.decide(actor, action, parseRepositoryName("acme/a"));
        assert.equal(hidden, await access.decide(actor, action, parseRepositoryName("acme/b")));
        assert.equal(hidden, actor === anonymous ? "unauthenticated" : "denied");
      }
    }
  });

  test("lists nothing for a token that does not carry the catalog, and asks for one that does", async (t) => {
    const access = openAccess(await open(t), "pull");
    const limits = [{ type: "repository", name: "acme/a", actions: ["pull"] }];
    for (const actor of [
      { ...userActor(1), limits },
      { ...anonymous, limits },
    ]) {
      await assert.rejects(access.readableRepositories(actor), { name: "AppError", code: "UNAUTHORIZED" });
    }
  });

  test("makes nobody an administrator by a limited credential", async (t) => {
    const access = openAccess(await open(t), "full");
    const administrator = { ...userActor(1), isAdmin: true };
    assert.equal(access.isAdministrator(administrator), true);
    const limits = [{ type: "repository", name: "acme/a", actions: ["*"] }];
    assert.equal(access.isAdministrator({ ...administrator, limits }), false);
    const credentialScopes = [toCredentialScope({ repositories: "**", actions: repositoryActions })];
    assert.equal(access.isAdministrator({ ...administrator, credentialScopes }), false);
    assert.equal(access.isAdministrator(userActor(1)), false);
    assert.equal(access.isAdministrator(anonymous), false);
  });
});

async function compare(access: Access, tables: TablesRead, mode: Mode, actor: Actor): Promise<void> {
  const unlimited = { ...actor, limits: undefined };
  const listed = await access.readableRepositories(unlimited);
  for (const name of names) {
    const permitted = repositoryActions.filter(
      (action) =>
        may(tables, mode, actor, action, name) && carriesNaively(actor.credentialScopes, name, action),
    );
    assert.deepEqual(await access.permittedActions(actor, repositoryActions, name), permitted);
    for (const action of repositoryActions) {
      const expected = expectedDecision(actor, permitted.includes(action), name, action);
      assert.equal(await access.decide(actor, action, name), expected, `${action} ${name}`);
    }
    const row = tables.repositories.find((repository) => repository.name === name);
    if (row === undefined) continue;
    const isListed = await isInListing(listed, row);
    assert.equal(isListed, permitted.includes("pull"), `${name} in the listing`);
  }
}

function expectedDecision(
  actor: Actor,
  isPermitted: boolean,
  name: string,
  action: RepositoryAction,
): Decision {
  if (isPermitted && carries(actor.limits, name, action)) return "allowed";
  if (actor.kind === "anonymous") return "unauthenticated";
  return isPermitted ? "insufficient-scope" : "denied";
}

/** The rules once more, read off the tables without caches or short cuts. */
function may(
  tables: TablesRead,
  mode: Mode,
  actor: Actor,
  action: RepositoryAction,
  name: RepositoryName,
): boolean {
  const repository = tables.repositories.find((row) => row.name === name);
  const namespaceName = name.includes("/") ? name.slice(0, name.indexOf("/")) : "library";
  const namespace = tables.namespaces.find((row) => row.name === namespaceName);
  if (mode === "full" && action !== "admin") return true;
  if (action === "pull" && repository?.visibility === "public") {
    if (actor.kind === "user" || mode === "pull") return true;
  }
  if (actor.kind !== "user") return false;
  if (tables.users.some((row) => row.id === actor.userId && row.is_admin === 1)) return true;
  if (namespace !== undefined && namespace.owner_user_id === actor.userId) {
    const creates = repository === undefined && action === "push";
    if (!creates || namespace.create_on_push === 1) return true;
  }
  const carried: Readonly<Record<string, string>> = {
    read: "pull",
    write: "pull push delete",
    admin: "pull push delete admin",
  };
  return tables.grants.some(
    (row) =>
      row.user_id === actor.userId &&
      row.repository_id === repository?.id &&
      carried[row.role]?.split(" ").includes(action) === true,
  );
}

function carries(limits: readonly Scope[] | undefined, name: string, action: string): boolean {
  if (limits === undefined) return true;
  for (const { type, name: named, actions } of limits) {
    if (type === "repository" && named === name && (actions.includes("*") || actions.includes(action)))
      return true;
  }
  return false;
}

function carriesNaively(
  scopes: readonly CredentialScope[] | undefined,
  name: string,
  action: RepositoryAction,
): boolean {
  if (scopes === undefined) return true;
  return scopes.some(({ repositories, actions }) => {
    const expression = repositories.replaceAll("**", ".+").replaceAll(/(?<!\.)\*/g, "[^/]*");
    return new RegExp(`^${expression}$`).test(name) && actions.includes(action);
  });
}

async function isInListing(
  listed: ReadableRepositories,
  row: TablesRead["repositories"][number],
): Promise<boolean> {
  if (listed.kind === "all") return true;
  const { visibilities, repositoryIds, namespaceIds, paths } = listed.candidates;
  const isCandidate =
    visibilities.some((visibility) => visibility === row.visibility) ||
    repositoryIds.includes(row.id) ||
    namespaceIds.includes(row.namespace_id) ||
    paths.some((path) => path === "" || row.name === path || row.name.startsWith(`${path}/`));
  if (!isCandidate) return false;
  const visibility = toVisibility(row.visibility);
  const [isAdmitted] = await listed.admits([
    { id: row.id, name: row.name, namespaceId: row.namespace_id, visibility },
  ]);
  return isAdmitted === true;
}

type TablesRead = Awaited<ReturnType<typeof readTables>>;

async function readTables({ read }: Database) {
  return {
    users: await read.selectFrom("users").selectAll().orderBy("id").execute(),
    namespaces: await read.selectFrom("namespaces").selectAll().execute(),
    repositories: await read.selectFrom("repositories").selectAll().execute(),
    grants: await read.selectFrom("grants").selectAll().execute(),
  };
}

async function fill(database: Database, world: World): Promise<void> {
  await database.transaction(async (tx) => {
    for (const table of ["grants", "repositories", "namespaces", "users"] as const) {
      await tx.deleteFrom(table).execute();
    }
    const namespaces = new Map<string, number>();
    const addNamespace = async (name: string, owner: number | null, createOnPush: boolean) => {
      const { id } = await tx
        .insertInto("namespaces")
        .values({
          name,
          kind: owner === null ? "organization" : "user",
          owner_user_id: owner,
          default_visibility: "private",
          create_on_push: createOnPush ? 1 : 0,
          created_at_ms: 0,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      namespaces.set(name, id);
      return id;
    };
    const users: number[] = [];
    for (const [index, user] of world.users.entries()) {
      const { id } = await tx
        .insertInto("users")
        .values({
          username: username(index),
          password_hash: null,
          is_admin: user.isAdmin ? 1 : 0,
          is_disabled: 0,
          created_at_ms: 0,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      users.push(id);
      await addNamespace(username(index), id, user.createOnPush);
    }
    const repositories: number[] = [];
    for (const { name, isPublic } of world.repositories) {
      const namespace = name.includes("/") ? name.slice(0, name.indexOf("/")) : "library";
      const { id } = await tx
        .insertInto("repositories")
        .values({
          name,
          namespace_id: namespaces.get(namespace) ?? (await addNamespace(namespace, null, true)),
          visibility: isPublic ? "public" : "private",
          created_at_ms: 0,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      repositories.push(id);
    }
    for (const { user, repository, role } of world.grants) {
      const [user_id, repository_id] = [users[user], repositories[repository]];
      if (user_id === undefined || repository_id === undefined) continue;
      const place = { repositoryId: repository_id };
      const made = { namespaceId: undefined, expiresAtMs: undefined, nowMs: 0, createdBy: "" };
      await upsertGrant(tx, { subject: { userId: user_id }, place, role: toRole(role), ...made });
    }
    await bumpAccessVersion(tx);
  });
}

function openAccess(database: Database, anonymousAccess: Mode): Access {
  const cache = createVersionedCache(database, { nowMs: () => 0 }, { maxEntries: 100 });
  return createAccess({
    database,
    cache,
    clock: { nowMs: () => 0 },
    anonymousAccess,
    defaultNamespace: "library",
  });
}

function toActor(
  tables: TablesRead,
  asker: {
    readonly user: number | undefined;
    readonly limits: readonly Scope[] | undefined;
    readonly credential: readonly CredentialScope[] | undefined;
  },
): Actor {
  const row = asker.user === undefined ? undefined : tables.users[asker.user];
  if (row === undefined) return { ...anonymous, limits: asker.limits };
  return {
    ...userActor(row.id),
    isAdmin: row.is_admin === 1,
    limits: asker.limits,
    credentialScopes: asker.credential,
  };
}

function userActor(userId: number): UserActor {
  return {
    kind: "user",
    account: "person",
    userId,
    username: `user ${userId}`,
    isAdmin: false,
    isAuditor: false,
    credential: "password",
    accessTokenId: undefined,
    limits: undefined,
    credentialScopes: undefined,
  };
}
