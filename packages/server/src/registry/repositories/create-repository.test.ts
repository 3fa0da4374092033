import assert from "node:assert/strict";
import { test } from "node:test";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { insertReservedName } from "../../access/namespace-alias-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { repositoryName } from "../testing/content.ts";
import { administrator, openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { addNamespace, addTeam, addUser } from "../testing/people.ts";
import { changeRepository, getRepository } from "./change-repository.ts";
import { createRepository } from "./create-repository.ts";
import { ensureRepository } from "./ensure-repository.ts";
import { listCatalog } from "./list-catalog.ts";
import { listHidden } from "./list-hidden.ts";

const name = repositoryName("acme/app");

async function grantsOn(registry: TestRegistry, repository: RepositoryName) {
  const rows = await registry.database.read
    .selectFrom("grants as g")
    .innerJoin("repositories as r", "r.id", "g.repository_id")
    .leftJoin("users as u", "u.id", "g.user_id")
    .leftJoin("teams as t", "t.id", "g.team_id")
    .select(["u.username", "t.name as team", "g.role"])
    .where("r.name", "=", repository)
    .orderBy("g.id")
    .execute();
  return rows.map(({ username, team, role }) => `${username ?? `team ${team}`} ${role}`);
}

eachDatabase((open) => {
  test("creates an empty repository with what was asked for, once, and says so in the audit log", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addNamespace(registry, "acme");
    const created = { namespace: "acme", name, visibility: "internal", description: "the app" } as const;
    const repository = await createRepository(registry.deps, registry.call(), created);
    assert.deepEqual(
      [repository.visibility, repository.state, repository.description],
      ["internal", "active", "the app"],
    );
    await assert.rejects(createRepository(registry.deps, registry.call(), created), {
      code: "ALREADY_EXISTS",
    });
    const elsewhere = { namespace: "zoo", name };
    await assert.rejects(createRepository(registry.deps, registry.call(), elsewhere), {
      code: "REQUEST_INVALID",
    });
    const { read } = registry.database;
    const entries = await read
      .selectFrom("audit_entries")
      .select(["action", "repository", "after"])
      .execute();
    assert.deepEqual(
      entries.map(({ action, repository: about, after }) => [action, about, after]),
      [["repository.create", name, JSON.stringify({ visibility: "internal", description: "the app" })]],
    );
  });

  test("whoever a team lets create repositories administers what they created, and nothing else", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addNamespace(registry, "acme");
    const creator = await addUser(registry, "creator");
    const boss = await addUser(registry, "boss");
    await addTeam(registry, "acme", { name: "makers", role: "creator", members: [creator] });
    await addTeam(registry, "acme", { name: "bosses", role: "admin", members: [boss] });
    const { access } = registry.deps;
    assert.equal(await access.decide(creator, "push", name), "allowed");
    await ensureRepository(registry.deps, registry.call({ actor: creator }), name);
    assert.deepEqual(await grantsOn(registry, name), ["creator admin"]);
    assert.equal(await access.decide(creator, "admin", name), "allowed");
    const other = repositoryName("acme/other");
    await createRepository(registry.deps, registry.call({ actor: boss }), { namespace: "acme", name: other });
    assert.deepEqual(await grantsOn(registry, other), [], "an administrator needs no grant");
    assert.equal(await access.decide(creator, "pull", other), "denied");
    const third = repositoryName("acme/third");
    await ensureRepository(registry.deps, registry.call(), third);
    assert.deepEqual(await grantsOn(registry, third), []);
  });

  test("an owner gets no grant on what they push, nor somebody with a grant to write on the path", async (t) => {
    const registry = await openTestRegistry(open, t);
    const owner = await addUser(registry, "owner");
    await addNamespace(registry, "own", owner);
    const own = repositoryName("own/app");
    await ensureRepository(registry.deps, registry.call({ actor: owner }), own);
    assert.deepEqual(await grantsOn(registry, own), []);
    await addNamespace(registry, "acme");
    const writer = await addUser(registry, "writer");
    await ensureRepository(registry.deps, registry.call({ actor: writer }), name);
    assert.deepEqual(await grantsOn(registry, name), []);
  });

  test("a new repository starts with its namespace's default grants; changing a rule changes no repository", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addUser(registry, administrator.username);
    const namespaceId = await addNamespace(registry, "acme");
    const [creator, reader, other] = [
      await addUser(registry, "creator"),
      await addUser(registry, "reader"),
      await addUser(registry, "other"),
    ];
    const teamId = await addTeam(registry, "acme", { name: "makers", role: "creator", members: [creator] });
    const rule = (subject: object, role: string, creatorId: number | null = null) => ({
      namespace_id: namespaceId,
      creator_user_id: creatorId,
      user_id: null,
      team_id: null,
      ...subject,
      role,
      created_at_ms: 0,
    });
    await registry.database.transaction(async (tx) => {
      await tx
        .insertInto("default_grants")
        .values([
          rule({ user_id: reader.userId }, "write", creator.userId),
          rule({ user_id: reader.userId }, "read"),
          rule({ team_id: teamId }, "read"),
          rule({ user_id: other.userId }, "admin", other.userId),
          rule({ user_id: creator.userId }, "read"),
        ])
        .execute();
    });
    await ensureRepository(registry.deps, registry.call({ actor: creator }), name);
    const expected = ["creator admin", "reader write", "team makers read"];
    assert.deepEqual((await grantsOn(registry, name)).sort(), expected);
    const second = repositoryName("acme/second");
    await ensureRepository(registry.deps, registry.call(), second);
    assert.deepEqual((await grantsOn(registry, second)).sort(), [
      "creator read",
      "reader read",
      "team makers read",
    ]);
    await registry.database.transaction((tx) =>
      tx.updateTable("default_grants").set({ role: "admin" }).execute(),
    );
    assert.deepEqual((await grantsOn(registry, name)).sort(), expected);
  });

  test("a push makes no namespace of a reserved name", async (t) => {
    const registry = await openTestRegistry(open, t);
    await registry.database.transaction((tx) => insertReservedName(tx, "nginx", 0));
    for (const reserved of ["nginx/app", "api/app"]) {
      const pushed = ensureRepository(registry.deps, registry.call(), repositoryName(reserved));
      await assert.rejects(pushed, { code: "DENIED" });
    }
    assert.deepEqual(await registry.database.read.selectFrom("namespaces").selectAll().execute(), []);
    assert.deepEqual(await registry.database.read.selectFrom("audit_entries").selectAll().execute(), []);
  });

  test("a frozen repository can be pulled, a hidden one is listed for administrators only", async (t) => {
    const registry = await openTestRegistry(open, t);
    await ensureRepository(registry.deps, registry.call(), name);
    const writer = await addUser(registry, "writer", [[name, "write"]]);
    const { access } = registry.deps;
    const may = async () => access.permittedActions(writer, ["pull", "push", "delete"], name);
    await changeRepository(registry.deps, registry.call(), name, { state: "frozen" });
    assert.deepEqual(await may(), ["pull"]);
    const changed = await changeRepository(registry.deps, registry.call(), name, {
      state: "hidden",
      description: "gone",
    });
    assert.deepEqual([changed.state, changed.description], ["hidden", "gone"]);
    assert.deepEqual(await may(), []);
    const page = { limit: 10, last: undefined };
    const { repositories } = await listCatalog(registry.deps, registry.call().actor, page);
    assert.deepEqual(repositories, []);
    const hidden = await listHidden(registry.deps, registry.call().actor, page);
    assert.deepEqual(
      hidden.repositories.map((repository) => repository.name),
      [name],
    );
    assert.deepEqual(
      (await listHidden(registry.deps, registry.call().actor, { ...page, last: name })).repositories,
      [],
    );
    await assert.rejects(listHidden(registry.deps, writer, page), { code: "DENIED" });
    await changeRepository(registry.deps, registry.call(), name, { state: "active" });
    assert.deepEqual(await may(), ["pull", "push", "delete"]);
    const entries = await registry.database.read
      .selectFrom("audit_entries")
      .select(["before", "after"])
      .where("action", "=", "repository.update")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      entries.map(({ before, after }) => [before, after]),
      [
        ['{"state":"active"}', '{"state":"frozen"}'],
        ['{"state":"frozen","description":""}', '{"state":"hidden","description":"gone"}'],
        ['{"state":"hidden"}', '{"state":"active"}'],
      ],
    );
  });

  test("a change to what is so already leaves no trace", async (t) => {
    const registry = await openTestRegistry(open, t);
    await ensureRepository(registry.deps, registry.call(), name);
    const change = { visibility: "private", state: "active", description: "" } as const;
    const after = await changeRepository(registry.deps, registry.call(), name, change);
    assert.deepEqual(after, await getRepository(registry.deps, name));
    const { read } = registry.database;
    assert.equal((await read.selectFrom("audit_entries").selectAll().execute()).length, 1);
    assert.equal((await read.selectFrom("events").selectAll().execute()).length, 1);
  });
});
