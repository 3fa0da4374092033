import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Access } from "../../access/access.ts";
import { type Actor, anonymous } from "../../access/actor.ts";
import { toCredentialScope } from "../../access/credential-scope.ts";
import { upsertGrant } from "../../access/grant-store.ts";
import { insertReservedName } from "../../access/namespace-alias-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { changeRepository } from "../repositories/change-repository.ts";
import { createRepository } from "../repositories/create-repository.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { digestOf, pushImage, repositoryName } from "../testing/content.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { addNamespace, addTeam, addUser } from "../testing/people.ts";
import { serveRegistry } from "../testing/serve-registry.ts";
import { renameNamespace } from "./rename-namespace.ts";
import { renameRepository } from "./rename-repository.ts";

const oldName = repositoryName("acme/app");
const newName = repositoryName("acme/shop/app");

async function insertDecisionPoint(tx: Tx, pattern: string): Promise<void> {
  await tx
    .insertInto("decision_points")
    .values({
      name: pattern,
      pattern,
      url: "https://decisions.example",
      secret: "sealed",
      timeout_ms: 1_000,
      serve_stale_seconds: 0,
      max_concurrent: 1,
      allows_anonymous: 0,
      answers_login: 0,
      revision: 1,
      created_at_ms: 0,
      created_by: "",
    })
    .execute();
}

eachDatabase((open) => {
  const openWithApp = async (t: TestContext) => {
    const registry = await openTestRegistry(open, t, { anonymousAccess: "pull" });
    await addNamespace(registry, "acme");
    const digest = await pushImage(registry, oldName, { layers: ["one"] }, ["v1", "v2"]);
    return { registry, digest };
  };
  const rename = (registry: TestRegistry, from = oldName, to = newName, actor?: Actor) =>
    renameRepository(registry.deps, registry.call(actor === undefined ? {} : { actor }), { from, to });
  const fetchAs = async (t: TestContext, registry: TestRegistry, actor: Actor) => {
    const served = await serveRegistry(t, registry, actor);
    return async (path: string, method = "GET") => {
      const reply = await served.fetch(path, { method });
      return { status: reply.status, text: await reply.text(), link: reply.headers.get("link") };
    };
  };

  test("a renamed repository is pulled by its old name as by its new one", async (t) => {
    const { registry, digest } = await openWithApp(t);
    const reader = await addUser(registry, "reader", [[oldName, "read"]]);
    const fetch = await fetchAs(t, registry, reader);
    const before = await fetch("/v2/acme/app/manifests/v1");
    await rename(registry);
    for (const name of [oldName, newName]) {
      assert.deepEqual(await fetch(`/v2/${name}/manifests/v1`), before);
      assert.equal((await fetch(`/v2/${name}/manifests/${digest}`, "HEAD")).status, 200);
      assert.equal((await fetch(`/v2/${name}/blobs/${digestOf("one")}`)).text, "one");
      const tags = await fetch(`/v2/${name}/tags/list?n=1`);
      assert.deepEqual(JSON.parse(tags.text), { name, tags: ["v1"] }, "as the client calls it");
      assert.ok(tags.link?.includes(`/v2/${name}/tags/list`), "whose token names it so");
      assert.equal((await fetch(`/v2/${name}/referrers/${digest}`)).status, 200);
    }
    const listed = await fetch("/v2/_catalog");
    assert.deepEqual(JSON.parse(listed.text), { repositories: [newName] });
  });

  test("an old name takes nothing, and says the new one to those who may pull it", async (t) => {
    const { registry } = await openWithApp(t);
    const writer = await addUser(registry, "writer", [[oldName, "admin"]]);
    const stranger = await addUser(registry, "stranger");
    await rename(registry);
    const fetch = await fetchAs(t, registry, writer);
    for (const [method, path] of [
      ["POST", "/v2/acme/app/blobs/uploads/"],
      ["PUT", "/v2/acme/app/manifests/v9"],
      ["DELETE", "/v2/acme/app/manifests/v1"],
      ["DELETE", "/api/v1/repositories/acme/app"],
    ] as const) {
      const { status, text } = await fetch(path, method);
      assert.equal(status, 403, path);
      assert.match(text, /acme\/app is called acme\/shop\/app now/);
    }
    assert.equal((await fetch("/v2/acme/shop/app/blobs/uploads/", "POST")).status, 202);
    for (const actor of [stranger, anonymous]) {
      const asOthers = await fetchAs(t, registry, actor);
      for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
        const moved = await asOthers("/v2/acme/app/manifests/v1", method);
        const none = await asOthers("/v2/acme/xyz/manifests/v1", method);
        assert.deepEqual(
          [moved.status, moved.text],
          [none.status, none.text.replaceAll("acme/xyz", "acme/app")],
        );
        assert.equal(moved.text.includes("shop"), false);
      }
    }
  });

  test("a token's scope names the repository as the client does", async (t) => {
    const { registry } = await openWithApp(t);
    const reader = await addUser(registry, "reader", [[oldName, "read"]]);
    const writer = await addUser(registry, "writer", [[oldName, "write"]]);
    await rename(registry);
    const { access } = registry.deps;
    assert.deepEqual(await access.permittedActions(writer, ["pull", "push"], oldName), ["pull"]);
    assert.deepEqual(await access.permittedActions(writer, ["pull", "push"], newName), ["pull", "push"]);
    for (const name of [oldName, newName]) {
      const limits = [{ type: "repository", name, actions: ["pull"] }];
      const located = await access.locate({ ...reader, limits }, "pull", oldName);
      assert.deepEqual(located, { decision: "allowed", name: newName });
    }
    const limits = [{ type: "repository", name: "acme/other", actions: ["pull"] }];
    assert.equal(await access.decide({ ...reader, limits }, "pull", oldName), "insufficient-scope");
    for (const [repositories, decision] of [
      ["acme/app", "allowed"],
      ["acme/shop/**", "allowed"],
      ["acme/other", "denied"],
    ] as const) {
      const credentialScopes = [toCredentialScope({ repositories, actions: ["pull"] })];
      assert.equal(await access.decide({ ...reader, credentialScopes }, "pull", oldName), decision);
    }
  });

  test("a new repository of the old name wins, and the old name is lost to the other for good", async (t) => {
    const { registry } = await openWithApp(t);
    await rename(registry);
    await createRepository(registry.deps, registry.call(), { namespace: "acme", name: oldName });
    const fetch = await fetchAs(t, registry, registry.call().actor);
    assert.equal((await fetch("/v2/acme/app/manifests/v1")).status, 404);
    await fetch("/api/v1/repositories/acme/app", "DELETE");
    assert.equal((await fetch("/v2/acme/app/manifests/v1")).status, 404);
    assert.equal((await fetch("/v2/acme/shop/app/manifests/v1")).status, 200);
  });

  test("names that were changed several times lead to the present one, and back and forth is no loop", async (t) => {
    const { registry } = await openWithApp(t);
    const third = repositoryName("acme/third");
    await rename(registry);
    await rename(registry, newName, third);
    const fetch = await fetchAs(t, registry, registry.call().actor);
    for (const name of [oldName, newName, third]) {
      assert.equal((await fetch(`/v2/${name}/manifests/v1`)).status, 200, name);
    }
    await rename(registry, third, oldName);
    await rename(registry, oldName, oldName);
    for (const name of [oldName, newName, third]) {
      assert.equal((await fetch(`/v2/${name}/manifests/v1`)).status, 200, name);
    }
    await fetch("/api/v1/repositories/acme/app", "DELETE");
    assert.equal((await fetch(`/v2/${newName}/manifests/v1`)).status, 404);
    const { read } = registry.database;
    assert.deepEqual(await read.selectFrom("repository_aliases").selectAll().execute(), []);
  });

  test("whoever may not create at the new place cannot move there, and taken names stay as they are", async (t) => {
    const { registry } = await openWithApp(t);
    await addNamespace(registry, "zoo");
    await ensureRepository(registry.deps, registry.call(), repositoryName("zoo/app"));
    const outsider = await addUser(registry, "outsider", [[oldName, "admin"]]);
    for (const to of ["zoo/new", "acme/new", "nowhere/new"]) {
      await assert.rejects(rename(registry, oldName, repositoryName(to), outsider), { code: "DENIED" });
    }
    await assert.rejects(rename(registry, oldName, repositoryName("nowhere/new")), { code: "DENIED" });
    await assert.rejects(rename(registry, oldName, repositoryName("zoo/app")), { code: "ALREADY_EXISTS" });
    await assert.rejects(rename(registry, repositoryName("acme/none")), { code: "NAME_UNKNOWN" });
    const { read } = registry.database;
    assert.deepEqual(await read.selectFrom("repository_aliases").selectAll().execute(), []);
  });

  test("in another namespace the old one's teams have nothing, and everybody else what they had", async (t) => {
    const { registry } = await openWithApp(t);
    await addNamespace(registry, "zoo");
    const [member, user] = [
      await addUser(registry, "member"),
      await addUser(registry, "user", [[oldName, "write"]]),
    ];
    const boss = await addUser(registry, "boss");
    const teamId = await addTeam(registry, "acme", { name: "team", role: "member", members: [member] });
    await addTeam(registry, "zoo", { name: "bosses", role: "admin", members: [boss] });
    await registry.database.transaction(async (tx) => {
      const { id } = await tx.selectFrom("repositories").select("id").executeTakeFirstOrThrow();
      const grant = { role: "write", namespaceId: undefined, expiresAtMs: undefined, nowMs: 0 } as const;
      await upsertGrant(tx, {
        ...grant,
        createdBy: "",
        subject: { teamId },
        place: { repositoryId: id },
      });
    });
    registry.deps.access.changed();
    const { access } = registry.deps;
    assert.equal(await access.decide(member, "push", oldName), "allowed");
    const moved = repositoryName("zoo/app");
    await rename(registry, oldName, moved);
    assert.equal(await access.decide(member, "pull", moved), "denied");
    assert.equal(await access.decide(member, "pull", oldName), "denied");
    assert.equal(await access.decide(user, "push", moved), "allowed");
    assert.equal(await access.decide(boss, "admin", moved), "allowed");
    const { read } = registry.database;
    const entry = await read
      .selectFrom("audit_entries")
      .selectAll()
      .orderBy("id", "desc")
      .executeTakeFirstOrThrow();
    assert.deepEqual([entry.action, entry.detail], ["repository.rename", '{"endedTeamGrants":1}']);
  });

  test("an organization is renamed with repositories, grants on paths, robots and credentials", async (t) => {
    const { registry } = await openWithApp(t);
    const [reader, robot] = [await addUser(registry, "reader"), await addUser(registry, "acme+ci")];
    await ensureRepository(registry.deps, registry.call(), repositoryName("acme2/app"));
    const scopes = (namespace: string) =>
      JSON.stringify([
        { repositories: `${namespace}/**`, actions: ["pull"] },
        { repositories: "acme2/app", actions: ["pull"] },
      ]);
    const pattern = parseRepositoryPattern("acme/**");
    await registry.database.transaction(async (tx) => {
      const { id } = await tx
        .selectFrom("namespaces")
        .select("id")
        .where("name", "=", "acme")
        .executeTakeFirstOrThrow();
      const grant = { expiresAtMs: undefined, nowMs: 0, createdBy: "", namespaceId: id } as const;
      const subject = { userId: reader.userId };
      await upsertGrant(tx, { ...grant, subject, place: { pattern }, role: "read" });
      await upsertGrant(tx, {
        ...grant,
        namespaceId: undefined,
        subject: { userId: robot.userId },
        place: { pattern: parseRepositoryPattern("acme/app") },
        role: "write",
      });
      await tx
        .insertInto("access_tokens")
        .values({
          user_id: robot.userId,
          name: "ci",
          public_id: "h",
          scopes: scopes("acme"),
          created_at_ms: 0,
          expires_at_ms: null,
          last_used_at_ms: null,
        })
        .execute();
    });
    await registry.database.transaction(async (tx) => {
      await tx
        .insertInto("issuers")
        .values({
          user_id: robot.userId,
          repositories: '["acme/**","acme2/app"]',
          actions: '["pull"]',
          max_lifetime_seconds: null,
          max_active: null,
          require_expiry: 0,
          networks: null,
        })
        .execute();
      for (const place of ["acme/secret/**", "acme2/secret/**"]) await insertDecisionPoint(tx, place);
    });
    await rename(registry, oldName, repositoryName("acme/shop"));
    await renameNamespace(registry.deps, registry.call(), { from: "acme", to: "apex" });
    const fetch = await fetchAs(t, registry, reader);
    for (const name of ["apex/shop", "acme/shop", "acme/app", "apex/app"]) {
      assert.equal((await fetch(`/v2/${name}/manifests/v1`)).status, 200, name);
    }
    const { access } = registry.deps;
    assert.equal(await access.decide(robot, "push", repositoryName("apex/app")), "allowed");
    const { read } = registry.database;
    const users = await read.selectFrom("users").select("username").orderBy("id").execute();
    assert.deepEqual(
      users.map(({ username }) => username),
      ["reader", "apex+ci"],
    );
    const token = await read.selectFrom("access_tokens").select("scopes").executeTakeFirstOrThrow();
    assert.equal(token.scopes, scopes("apex"));
    const box = await read.selectFrom("issuers").select("repositories").executeTakeFirstOrThrow();
    assert.equal(box.repositories, '["apex/**","acme2/app"]');
    const points = await read
      .selectFrom("decision_points")
      .select(["pattern", "revision"])
      .orderBy("id")
      .execute();
    assert.deepEqual(
      points.map(({ pattern: place, revision }) => [place, revision]),
      [
        ["apex/secret/**", 2],
        ["acme2/secret/**", 1],
      ],
    );
    const grants = await read.selectFrom("grants").select(["pattern", "prefix"]).orderBy("id").execute();
    assert.deepEqual(
      grants.map((grant) => [grant.pattern, grant.prefix]),
      [
        ["apex/**", "apex"],
        ["apex/app", "apex/app"],
      ],
    );
    const names = await read.selectFrom("repositories").select("name").orderBy("name").execute();
    assert.deepEqual(
      names.map(({ name }) => name),
      ["acme2/app", "apex/shop"],
    );
  });

  test("an organization's old name is nobody else's, and it can take it back", async (t) => {
    const { registry } = await openWithApp(t);
    const call = registry.call();
    await renameNamespace(registry.deps, call, { from: "acme", to: "apex" });
    const pushed = ensureRepository(registry.deps, call, repositoryName("acme/new"));
    await assert.rejects(pushed, { code: "DENIED" });
    await addNamespace(registry, "zoo");
    await registry.database.transaction((tx) => insertReservedName(tx, "nginx", 0));
    for (const to of ["acme", "apex", "nginx", "api", "library"]) {
      await assert.rejects(renameNamespace(registry.deps, call, { from: "zoo", to }), {
        code: "ALREADY_EXISTS",
      });
    }
    await renameNamespace(registry.deps, call, { from: "apex", to: "apex" });
    await renameNamespace(registry.deps, call, { from: "apex", to: "acme" });
    const fetch = await fetchAs(t, registry, call.actor);
    for (const name of ["acme/app", "apex/app"]) {
      assert.equal((await fetch(`/v2/${name}/manifests/v1`)).status, 200, name);
    }
    const { read } = registry.database;
    const kept = await read.selectFrom("namespace_aliases").select("name").orderBy("name").execute();
    assert.deepEqual(
      kept.map(({ name }) => name),
      ["apex", "nginx"],
    );
  });

  test("refuses names that are none, people's namespaces, and names that would become too long", async (t) => {
    const { registry } = await openWithApp(t);
    const person = await addUser(registry, "person");
    await addNamespace(registry, "person", person);
    await ensureRepository(registry.deps, registry.call(), repositoryName("alpine"));
    await ensureRepository(registry.deps, registry.call(), repositoryName(`acme/${"x".repeat(248)}`));
    for (const [from, to] of [
      ["acme", "a/b"],
      ["acme", "A"],
      ["acme", ""],
      ["acme", "much-longer-name"],
      ["person", "somebody"],
      ["library", "books"],
    ] as const) {
      const renamed = renameNamespace(registry.deps, registry.call(), { from, to });
      await assert.rejects(renamed, { code: "REQUEST_INVALID" }, `${from} → ${to}`);
    }
    const missing = renameNamespace(registry.deps, registry.call(), { from: "none", to: "some" });
    await assert.rejects(missing, { code: "NOT_FOUND" });
    const { read } = registry.database;
    assert.deepEqual(await read.selectFrom("namespace_aliases").selectAll().execute(), []);
  });

  test("nobody but an administrator renames out of what somebody outside decides", async (t) => {
    const { registry } = await openWithApp(t);
    const boss = await addUser(registry, "boss");
    await addTeam(registry, "acme", { name: "bosses", role: "admin", members: [boss] });
    const { access } = registry.deps;
    const outside: Access = {
      ...access,
      explain: async (actor, name) => ({
        ...(await access.explain(actor, name)),
        authority: name.startsWith("acme/shop/") ? "somebody" : undefined,
      }),
    };
    const deps = { ...registry.deps, access: outside };
    const call = registry.call({ actor: boss });
    await assert.rejects(renameRepository(deps, call, { from: oldName, to: newName }), { code: "DENIED" });
    await registry.database.transaction((tx) => insertDecisionPoint(tx, "ac*/**"));
    const renamed = renameNamespace(registry.deps, call, { from: "acme", to: "apex" });
    await assert.rejects(renamed, { code: "DENIED" });
    await renameNamespace(registry.deps, registry.call(), { from: "acme", to: "apex" });
  });

  test("a hidden target is not told by its old name", async (t) => {
    const { registry } = await openWithApp(t);
    const reader = await addUser(registry, "reader", [[oldName, "read"]]);
    await rename(registry);
    await changeRepository(registry.deps, registry.call(), newName, { state: "hidden" });
    const located = await registry.deps.access.locate(reader, "pull", oldName);
    assert.deepEqual(located, { decision: "denied", name: oldName });
  });
});
