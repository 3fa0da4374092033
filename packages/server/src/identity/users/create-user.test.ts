import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const first = { username: administrator, password };

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.ensureFirstAdministrator(first);
  return instance;
}

const create = (instance: TestIdentity, body: object, authorization = ada) =>
  sendJson(instance, "POST", "/api/v1/users", authorization, body);

eachDatabase((open) => {
  test("creates a user with a namespace of their own, and shows no password", async (t) => {
    const instance = await start(t, await open(t));
    const reply = await create(instance, { username: "bob", password });
    assert.equal(reply.status, 201);
    assert.deepEqual(await reply.json(), {
      username: "bob",
      kind: "person",
      isAdmin: false,
      isAuditor: false,
      isDisabled: false,
      createdAtMs: instance.clock.nowMs(),
    });
    const bob = basic("bob", password);
    const may = async (path: string) => (await instance.fetch(path, { authorization: bob })).status;
    assert.equal(await may("/v2/bob/new/probe/push"), 204);
    assert.equal(await may("/v2/ada/new/probe/push"), 403);
    assert.equal(await may("/v2/new/probe/push"), 403);
    const row = await instance.database.read
      .selectFrom("users")
      .select("password_hash")
      .where("username", "=", "bob")
      .executeTakeFirstOrThrow();
    assert.match(row.password_hash ?? "", /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  test("refuses names that are none, reserved or taken, and makes neither user nor namespace", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "acme/x");
    const invalid = ["", "Bob", "a b", "a/b", "-a", "a..b", "ä", "a\0b", "x".repeat(65)];
    const reserved = ["library", "anonymous", "token", "v2", "api"];
    for (const username of [...invalid, ...reserved]) {
      assert.equal((await create(instance, { username, password })).status, 400, username);
    }
    for (const username of [administrator, "acme"]) {
      assert.equal((await create(instance, { username, password })).status, 409, username);
    }
    for (const password of ["", "short", "x".repeat(1_025)]) {
      assert.equal((await create(instance, { username: "bob", password })).status, 400);
    }
    assert.equal((await create(instance, { username: "x".repeat(64), password })).status, 201);
    const { read } = instance.database;
    const users = await read.selectFrom("users").select("username").orderBy("username").execute();
    assert.deepEqual(
      users.map((row) => row.username),
      [administrator, "x".repeat(64)],
    );
    const namespaces = await read.selectFrom("namespaces").select("name").orderBy("name").execute();
    assert.deepEqual(
      namespaces.map((row) => row.name),
      ["acme", administrator, "x".repeat(64)],
    );
  });

  test("creates one of several users of one name that are asked for at once", async (t) => {
    const instance = await start(t, await open(t));
    const replies = await Promise.all(
      Array.from({ length: 4 }, () => create(instance, { username: "bob", password })),
    );
    assert.deepEqual(
      replies.map((reply) => reply.status).sort((left, right) => left - right),
      [201, 409, 409, 409],
    );
  });

  test("lists users by name and by pages", async (t) => {
    const instance = await start(t, await open(t));
    for (const username of ["carol", "bob"]) {
      await instance.identity.createUser({ username, password, isAdmin: false });
    }
    const pages: string[][] = [];
    let next: unknown = "/api/v1/users?n=2";
    while (typeof next === "string") {
      const value: unknown = await (await instance.fetch(next, { authorization: ada })).json();
      const users = field(value, "users");
      assert.ok(Array.isArray(users));
      pages.push(users.map((user) => String(field(user, "username"))));
      next = field(value, "next");
    }
    assert.deepEqual(pages, [["ada", "bob"], ["carol"]]);
    for (const bad of ["n=x", "n=-1", "last=a%00b"]) {
      assert.equal((await instance.fetch(`/api/v1/users?${bad}`, { authorization: ada })).status, 400);
    }
  });

  test("shows accounts of one kind, those that issuers made only when asked for, and by the start of a name", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "audrey", password, isAdmin: false });
    await instance.database.transaction(async (tx) => {
      for (const kind of ["robot", "issuer", "issued"]) {
        const account = { username: `ada+${kind}`, kind, password_hash: null, is_admin: 0, is_disabled: 0 };
        await tx
          .insertInto("users")
          .values({ ...account, created_at_ms: 0 })
          .execute();
      }
    });
    const names = async (query: string, authorization = ada) => {
      const reply = await instance.fetch(`/api/v1/users${query}`, { authorization });
      const value: unknown = await reply.json();
      const users = reply.status === 200 ? field(value, "users") : undefined;
      return Array.isArray(users) ? users.map((user) => String(field(user, "username"))) : reply.status;
    };
    assert.deepEqual(await names(""), ["ada", "ada+issuer", "ada+robot", "audrey"]);
    assert.deepEqual(await names("?kind=person"), ["ada", "audrey"]);
    assert.deepEqual(await names("?kind=issued"), ["ada+issued"]);
    assert.deepEqual(await names("?q=ada%2B"), ["ada+issuer", "ada+robot"]);
    assert.deepEqual(await names("?q=a&kind=robot&n=1"), ["ada+robot"]);
    assert.deepEqual(await names("?q=%25"), []);
    assert.equal(await names("?kind=ghost"), 400);
    assert.equal(await names("", basic("audrey", password)), 403);
    await sendJson(instance, "PATCH", "/api/v1/users/audrey", ada, { isAuditor: true });
    assert.deepEqual(await names("?kind=person", basic("audrey", password)), ["ada", "audrey"]);
    const patch = sendJson(instance, "PATCH", "/api/v1/users/ada", basic("audrey", password), {
      isAdmin: false,
    });
    assert.equal((await patch).status, 403, "auditors change nothing");
  });

  test("makes the first administrator once, with a password that is told once", async (t) => {
    const instance = await startIdentity(t, await open(t));
    const made = await instance.identity.ensureFirstAdministrator({ ...first, password: undefined });
    assert.equal(made?.username, administrator);
    assert.match(made?.generatedPassword ?? "", /^[A-Za-z0-9_-]{24}$/);
    const authorization = basic(administrator, made?.generatedPassword ?? "");
    assert.equal((await instance.fetch("/api/v1/users", { authorization })).status, 200);
    assert.equal(
      await instance.identity.ensureFirstAdministrator({ ...first, password: undefined }),
      undefined,
    );
  });

  test("takes a configured password for the first administrator, and never for a later one", async (t) => {
    const instance = await startIdentity(t, await open(t));
    const made = await instance.identity.ensureFirstAdministrator(first);
    assert.deepEqual(made, { username: administrator, generatedPassword: undefined });
    const changed = { ...first, password: "of the changed setting" };
    assert.equal(await instance.identity.ensureFirstAdministrator(changed), undefined);
    assert.equal((await instance.fetch("/api/v1/users", { authorization: ada })).status, 200);
    const other = basic(administrator, changed.password);
    assert.equal((await instance.fetch("/api/v1/users", { authorization: other })).status, 401);
  });

  test("makes one first administrator when several instances start at once", async (t) => {
    const url = await open.url(t);
    const instances = await Promise.all(
      Array.from({ length: 3 }, async () => startIdentity(t, await open(t, { url }))),
    );
    const made = await Promise.all(
      instances.map((instance) =>
        instance.identity.ensureFirstAdministrator({ ...first, password: undefined }),
      ),
    );
    assert.equal(made.filter((one) => one !== undefined).length, 1);
  });

  test("says so when the first administrator cannot be made", async (t) => {
    const instance = await startIdentity(t, await open(t));
    const { identity } = instance;
    await assert.rejects(identity.ensureFirstAdministrator({ ...first, username: "Not A Name" }), {
      code: "REQUEST_INVALID",
    });
    await assert.rejects(identity.ensureFirstAdministrator({ ...first, password: "short" }), {
      code: "REQUEST_INVALID",
    });
    await insertRepository(instance, `${administrator}/x`);
    await assert.rejects(identity.ensureFirstAdministrator(first), { code: "ALREADY_EXISTS" });
  });
});
