import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../lib/app-error.ts";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import type { DecisionDelegate } from "./access.ts";
import type { UserActor } from "./actor.ts";
import { createAccess } from "./create-access.ts";
import { tagLimits, toCredentialScope, toScopeJson } from "./credential-scope.ts";
import { listDefaultRoles } from "./default-grant-store.ts";
import { listGrantsOn, upsertGrant } from "./grant-store.ts";
import { createVersionedCache } from "./versioned-cache.ts";

const app = parseRepositoryName("acme/app");

const person: UserActor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "bob",
  isAdmin: false,
  isAuditor: false,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};

/** An organization with one private repository, two users, a team that nobody is in and one whose members create. */
async function fill(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    const user = { password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 };
    for (const [id, username] of [
      [1, "bob"],
      [2, "eve"],
    ] as const) {
      await tx
        .insertInto("users")
        .values({ ...user, id, username })
        .execute();
    }
    await tx
      .insertInto("namespaces")
      .values({
        id: 1,
        name: "acme",
        kind: "organization",
        owner_user_id: null,
        default_visibility: "private",
        create_on_push: 1,
        created_at_ms: 0,
      })
      .execute();
    await tx
      .insertInto("teams")
      .values({ id: 1, namespace_id: 1, name: "team", role: "member", description: "", created_at_ms: 0 })
      .execute();
    await tx
      .insertInto("teams")
      .values({ id: 2, namespace_id: 1, name: "makers", role: "creator", description: "", created_at_ms: 0 })
      .execute();
    await tx
      .insertInto("team_members")
      .values({ team_id: 2, user_id: 2, origin: "manual", added_at_ms: 0 })
      .execute();
    await tx
      .insertInto("repositories")
      .values({ id: 1, name: app, namespace_id: 1, visibility: "private", created_at_ms: 0 })
      .execute();
  });
}

function accessOver(database: Database, delegate?: DecisionDelegate) {
  const clock = { nowMs: () => 0 };
  const cache = createVersionedCache(database, clock, { maxEntries: 100 });
  const world = { database, cache, clock, anonymousAccess: "none", defaultNamespace: "library" } as const;
  return createAccess({ ...world, delegate });
}

eachDatabase((open) => {
  const openFilled = async (t: TestContext) => {
    const database = await open(t);
    await fill(database);
    return database;
  };

  test("an account that an issuer made may what its scopes carry without any grant, where there is something", async (t) => {
    const access = accessOver(await openFilled(t));
    const scope = toCredentialScope({ repositories: "acme/**", actions: ["pull"] });
    const issued: UserActor = {
      ...person,
      account: "issued",
      credentialScopes: [scope],
      isGivenByIssuer: true,
    };
    assert.deepEqual(await access.permittedActions(issued, ["pull", "push"], app), ["pull"]);
    assert.equal(await access.decide(issued, "pull", app), "allowed");
    assert.equal(await access.decide(issued, "push", app), "denied");
    assert.equal(await access.decide(issued, "pull", parseRepositoryName("other/app")), "denied");
    assert.equal(await access.decide({ ...issued, isGivenByIssuer: undefined }, "pull", app), "denied");
  });

  test("an auditor sees every namespace and changes none, and nobody sees what can be no name", async (t) => {
    const access = accessOver(await openFilled(t));
    const auditor = { ...person, isAuditor: true };
    assert.equal(await access.decideOnNamespace(auditor, "view", "acme"), "allowed");
    for (const action of ["create", "admin"] as const) {
      assert.equal(await access.decideOnNamespace(auditor, action, "acme"), "denied");
    }
    assert.equal(await access.decideOnNamespace(person, "view", "acme"), "denied");
    const maker = { ...person, userId: 2 };
    assert.equal(await access.decideOnNamespace(maker, "create", "acme"), "allowed");
    assert.equal(await access.decideOnNamespace(maker, "admin", "acme"), "denied");
    for (const none of ["nowhere", "a\0b", "\ud800", ""]) {
      assert.equal(await access.decideOnNamespace(auditor, "view", none), "denied");
    }
  });

  test("an authority that does not answer lists nothing of its own, and any other trouble is told", async (t) => {
    const database = await openFilled(t);
    let trouble: Error = new AppError("UNAVAILABLE", "it does not answer");
    const pattern = parseRepositoryPattern("acme/**");
    const access = accessOver(database, {
      authorityOf: async () => "somebody",
      delegatedPatterns: async () => [pattern],
      permitted: () => Promise.reject(trouble),
      mayCreate: async () => false,
    });
    const readable = await access.readableRepositories(person);
    assert.ok(readable.kind === "some");
    const row = { id: 1, name: app, namespaceId: 1, visibility: "private" } as const;
    assert.deepEqual(await readable.admits([row]), [false]);
    trouble = new AppError("OVERLOADED", "too many ask");
    assert.deepEqual(await readable.admits([row]), [false]);
    trouble = new Error("a mistake of ours");
    await assert.rejects(async () => readable.admits([row]), /a mistake of ours/);
  });

  test("without anybody outside, somebody lists what is theirs and nothing else", async (t) => {
    const database = await openFilled(t);
    const access = accessOver(database);
    const row = { id: 1, name: app, namespaceId: 1, visibility: "private" } as const;
    const answers = await Promise.all(
      [person, { ...person, isAdmin: true, credentialScopes: [] }].map(async (actor) => {
        const readable = await access.readableRepositories(actor);
        return readable.kind === "all" ? "all" : readable.admits([row, { ...row, visibility: "public" }]);
      }),
    );
    assert.deepEqual(answers, [
      [false, true],
      [false, false],
    ]);
    assert.equal((await access.readableRepositories({ ...person, isAdmin: true })).kind, "all");
  });

  test("a new repository starts with the general grants, and the creator's own in their place", async (t) => {
    const database = await openFilled(t);
    const roles = await database.transaction(async (tx) => {
      const grant = { namespace_id: 1, created_at_ms: 0 };
      for (const values of [
        { ...grant, user_id: 1, role: "admin", creator_user_id: 1 },
        { ...grant, user_id: 1, role: "read" },
        { ...grant, team_id: 1, role: "write" },
        { ...grant, user_id: 2, role: "write", creator_user_id: 2 },
      ]) {
        await tx.insertInto("default_grants").values(values).execute();
      }
      return [await listDefaultRoles(tx, 1, undefined), await listDefaultRoles(tx, 1, 1)];
    });
    const team = { subject: { teamId: 1 }, role: "write" };
    assert.deepEqual(roles, [
      [{ subject: { userId: 1 }, role: "read" }, team],
      [{ subject: { userId: 1 }, role: "admin" }, team],
    ]);
  });

  test("grants on a repository are told with its name, without those on paths", async (t) => {
    const database = await openFilled(t);
    const grant = {
      namespaceId: 1,
      role: "read",
      expiresAtMs: undefined,
      nowMs: 5,
      createdBy: "ada",
    } as const;
    await database.transaction(async (tx) => {
      await upsertGrant(tx, { ...grant, subject: { userId: 1 }, place: { repositoryId: 1 } });
      await upsertGrant(tx, { ...grant, subject: { teamId: 1 }, place: { repositoryId: 1 } });
      const pattern = parseRepositoryPattern("acme/**");
      await upsertGrant(tx, { ...grant, subject: { userId: 1 }, place: { pattern } });
    });
    const told = (await listGrantsOn(database.read, 1)).map(
      ({ username, team, place }) => `${username ?? ""} ${team ?? ""} ${place}`,
    );
    assert.deepEqual(new Set(told), new Set([` team ${app}`, `bob  ${app}`]));
    assert.equal(told.length, 2);
  });
});

test("tags are limited by all scopes that carry the action, and by none where one of them says nothing of tags", () => {
  const scopes = [
    toCredentialScope({ repositories: "acme/**", tags: "1.*", actions: ["pull"] }),
    toCredentialScope({ repositories: "acme/app", tags: "2.*", actions: ["pull", "push"] }),
    toCredentialScope({ repositories: "acme/open", actions: ["pull"] }),
  ];
  assert.equal(tagLimits(undefined, "pull", app), undefined);
  assert.deepEqual(tagLimits(scopes, "pull", app), ["1.*", "2.*"]);
  assert.deepEqual(tagLimits(scopes, "push", app), ["2.*"]);
  assert.equal(tagLimits(scopes, "pull", "acme/open"), undefined);
  assert.deepEqual(tagLimits(scopes, "delete", app), [], "nothing carries it: no tag will do");
  assert.deepEqual(scopes.map(toScopeJson).map(toCredentialScope), scopes);
});
