import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  getToken,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const bob = basic("bob", password);
const carol = basic("carol", password);
const grants = "/api/v1/repositories/acme/team/x/-/grants";

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const username of ["bob", "carol"]) {
    await instance.identity.createUser({ username, password, isAdmin: false });
  }
  await insertRepository(instance, "acme/team/x");
  return instance;
}

const put = async (instance: TestIdentity, username: string, role: string, authorization = ada) =>
  (await sendJson(instance, "PUT", `${grants}/users/${username}`, authorization, { role })).status;
const remove = async (instance: TestIdentity, username: string, authorization = ada) =>
  (await sendJson(instance, "DELETE", `${grants}/users/${username}`, authorization)).status;

async function rights(instance: TestIdentity, authorization: string): Promise<readonly string[]> {
  const actions = ["pull", "push", "delete", "admin"];
  const answers = await Promise.all(
    actions.map((action) => instance.fetch(`/v2/acme/team/x/probe/${action}`, { authorization })),
  );
  return actions.filter((_, index) => answers[index]?.status === 204);
}

eachDatabase((open) => {
  test("grants read, write and admin, replaces a grant and takes it back, each at once", async (t) => {
    const instance = await start(t, await open(t));
    assert.deepEqual(await rights(instance, bob), []);
    assert.equal(await put(instance, "bob", "read"), 200);
    assert.deepEqual(await rights(instance, bob), ["pull"]);
    assert.equal(await put(instance, "bob", "admin"), 200);
    assert.deepEqual(await rights(instance, bob), ["pull", "push", "delete", "admin"]);
    assert.equal(await put(instance, "bob", "write"), 200);
    assert.equal(await put(instance, "bob", "write"), 200);
    assert.deepEqual(await rights(instance, bob), ["pull", "push", "delete"]);
    assert.deepEqual(await rights(instance, carol), []);
    const listed = await instance.fetch(grants, { authorization: ada });
    const how = { expiresAtMs: null, createdAtMs: instance.clock.nowMs(), createdBy: "ada" };
    const users = [{ username: "bob", role: "write", ...how }];
    assert.deepEqual(await listed.json(), { users, robots: [], teams: [] });
    assert.equal(await remove(instance, "bob"), 204);
    assert.deepEqual(await rights(instance, bob), []);
    assert.equal(await remove(instance, "bob"), 404);
  });

  test("lets administrators of the repository manage grants, and nobody else", async (t) => {
    const instance = await start(t, await open(t));
    for (const role of ["read", "write"]) {
      assert.equal(await put(instance, "bob", role), 200);
      assert.equal((await instance.fetch(grants, { authorization: bob })).status, 403);
      assert.equal(await put(instance, "carol", "read", bob), 403);
      assert.equal(await remove(instance, "bob", bob), 403);
    }
    assert.equal((await instance.fetch(grants)).status, 401);
    assert.equal(await put(instance, "bob", "admin"), 200);
    assert.equal(await put(instance, "carol", "read", bob), 200);
    assert.deepEqual(await rights(instance, carol), ["pull"]);
  });

  test("takes back what tokens already issued carry, here and within a second elsewhere", async (t) => {
    const url = await open.url(t);
    const instance = await start(t, await open(t, { url }));
    const other = await startIdentity(t, await open(t, { url }));
    assert.equal(await put(instance, "bob", "write"), 200);
    const token = bearer(await getToken(instance, "repository:acme/team/x:pull,push", bob));
    assert.deepEqual(await rights(instance, token), ["pull", "push"]);
    assert.deepEqual(await rights(other, token), ["pull", "push"]);
    assert.equal(await remove(instance, "bob"), 204);
    assert.deepEqual(await rights(instance, token), []);
    other.clock.move(1_000);
    assert.deepEqual(await rights(other, token), []);
  });

  test("a grant until a time ends by itself, tokens already issued included, and is dropped", async (t) => {
    const instance = await start(t, await open(t));
    const { clock, identity, database } = instance;
    const set = (expiresAtMs: number) =>
      sendJson(instance, "PUT", `${grants}/users/bob`, ada, { role: "write", expiresAtMs });
    assert.equal((await set(clock.nowMs())).status, 400);
    assert.equal((await set(clock.nowMs() + 60_000)).status, 200);
    const token = bearer(await getToken(instance, "repository:acme/team/x:pull,push", bob));
    assert.deepEqual(await rights(instance, token), ["pull", "push"]);
    clock.move(59_999);
    await identity.prune();
    assert.deepEqual(await rights(instance, token), ["pull", "push"]);
    clock.move(1);
    assert.deepEqual(await rights(instance, token), []);
    assert.deepEqual(await rights(instance, bob), []);
    clock.move(1);
    await identity.prune();
    assert.deepEqual(await database.read.selectFrom("grants").select("id").execute(), []);
  });

  test("writes down what was granted and what was before", async (t) => {
    const instance = await start(t, await open(t));
    await put(instance, "bob", "read");
    await put(instance, "bob", "write");
    await remove(instance, "bob");
    const rows = await instance.database.read
      .selectFrom("audit_entries")
      .select(["action", "actor", "namespace", "repository", "target", "before", "after"])
      .where("action", "like", "grant.%")
      .orderBy("id")
      .execute();
    const same = {
      actor: "ada",
      namespace: "acme",
      repository: "acme/team/x",
      target: "grant of bob on acme/team/x",
    };
    const read = '{"role":"read"}';
    const write = '{"role":"write"}';
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { action: "grant.set", ...same, before: null, after: read },
        { action: "grant.set", ...same, before: read, after: write },
        { action: "grant.remove", ...same, before: write, after: null },
      ],
    );
  });

  test("refuses roles, users and repositories that are none", async (t) => {
    const instance = await start(t, await open(t));
    assert.equal(await put(instance, "bob", "owner"), 400);
    for (const nobody of ["nobody", "NO%20NAME", "a%00b"]) {
      assert.equal(await put(instance, nobody, "read"), 404, nobody);
      assert.equal(await remove(instance, nobody), 404);
    }
    const none = "/api/v1/repositories/acme/none/-/grants";
    assert.equal((await instance.fetch(none, { authorization: ada })).status, 404);
    assert.equal((await sendJson(instance, "PUT", `${none}/users/bob`, ada, { role: "read" })).status, 404);
    assert.equal((await instance.fetch(none, { authorization: bob })).status, 403, "as for a hidden one");
  });

  test("ends with the repository or the user, whatever happens at the same time", async (t) => {
    const instance = await start(t, await open(t));
    const changes = await Promise.all([
      put(instance, "bob", "read"),
      put(instance, "carol", "read"),
      put(instance, "bob", "write"),
      sendJson(instance, "DELETE", "/api/v1/users/bob", ada).then((reply) => reply.status),
      sendJson(instance, "DELETE", "/api/v1/users/carol", ada).then((reply) => reply.status),
    ]);
    assert.deepEqual(
      changes.filter((status) => ![200, 204, 404].includes(status)),
      [],
    );
    const listed: unknown = await (await instance.fetch(grants, { authorization: ada })).json();
    assert.deepEqual(field(listed, "users"), []);
  });
});
