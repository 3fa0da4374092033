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

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  return instance;
}

async function status(reply: Promise<Response>): Promise<number> {
  const settled = await reply;
  await settled.body?.cancel();
  return settled.status;
}

const patch = (instance: TestIdentity, username: string, body: object, authorization = ada) =>
  sendJson(instance, "PATCH", `/api/v1/users/${username}`, authorization, body);
const remove = (instance: TestIdentity, username: string, authorization = ada) =>
  sendJson(instance, "DELETE", `/api/v1/users/${username}`, authorization);

eachDatabase((open) => {
  test("changes what is given and nothing else", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: true });
    const shown = async (body: object) => {
      const reply = await patch(instance, "bob", body);
      assert.equal(reply.status, 200);
      const value: unknown = await reply.json();
      return [field(value, "isAdmin"), field(value, "isDisabled")];
    };
    assert.deepEqual(await shown({}), [true, false]);
    assert.deepEqual(await shown({ isDisabled: true }), [true, true]);
    assert.deepEqual(await shown({ isAdmin: false }), [false, true]);
    assert.deepEqual(await shown({ password: "a new password" }), [false, true]);
    assert.deepEqual(await shown({ isDisabled: false }), [false, false]);
    assert.equal(
      await status(instance.fetch("/api/v1/me", { authorization: basic("bob", "a new password") })),
      200,
    );
  });

  test("does not give a right back that was taken while a password was hashed", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: true });
    const changes = [
      patch(instance, "bob", { password: "a new password" }),
      patch(instance, "bob", { isAdmin: false }),
      patch(instance, "bob", { isDisabled: true }),
    ];
    for (const reply of await Promise.all(changes)) assert.equal(reply.status, 200);
    const bob: unknown = await (await instance.fetch("/api/v1/users/bob", { authorization: ada })).json();
    assert.deepEqual([field(bob, "isAdmin"), field(bob, "isDisabled")], [false, true]);
  });

  test("refuses bad changes with 400, and changes nothing", async (t) => {
    const instance = await start(t, await open(t));
    const bad = [
      { password: "short" },
      { password: "x".repeat(1_025) },
      { password: "ä".repeat(600) },
      { password: "entp_is taken for an access token" },
      { isAdmin: "yes" },
      { username: "eve" },
    ];
    for (const body of bad) {
      assert.equal(await status(patch(instance, administrator, body)), 400, JSON.stringify(body));
    }
    assert.equal(await status(instance.fetch("/api/v1/me", { authorization: ada })), 200);
    for (const nobody of ["nobody", "NOT%20A%20NAME", "a%00b", "x".repeat(300)]) {
      assert.equal(await status(patch(instance, nobody, { isAdmin: true })), 404);
      assert.equal(await status(remove(instance, nobody)), 404);
    }
  });

  test("keeps one administrator who can sign in, also when two remove each other", async (t) => {
    const instance = await start(t, await open(t));
    assert.equal(await status(patch(instance, administrator, { isAdmin: false })), 409);
    assert.equal(await status(patch(instance, administrator, { isDisabled: true })), 409);
    assert.equal(await status(remove(instance, administrator)), 409);
    await instance.identity.createUser({ username: "bob", password, isAdmin: true });
    const bob = basic("bob", password);
    await instance.fetch("/api/v1/me", { authorization: bob });
    const both = await Promise.all([
      status(patch(instance, "bob", { isAdmin: false }, ada)),
      status(patch(instance, administrator, { isDisabled: true }, bob)),
    ]);
    // The second is either too late to be an administrator, or the last one.
    assert.equal(both.filter((code) => code === 200).length, 1, both.join());
    const left = await instance.database.read
      .selectFrom("users")
      .select("username")
      .where("is_admin", "=", 1)
      .where("is_disabled", "=", 0)
      .execute();
    assert.equal(left.length, 1);
  });

  test("keeps one administrator when many instances remove the others at once", async (t) => {
    const url = await open.url(t);
    const instances = [
      await start(t, await open(t, { url })),
      await startIdentity(t, await open(t, { url })),
    ];
    const names = ["bob", "carol", "dave"];
    for (const username of names) {
      await instances[0]?.identity.createUser({ username, password, isAdmin: true });
    }
    await Promise.all(
      [administrator, ...names].map((username, index) => {
        const instance = instances[index % 2] ?? instances[0];
        assert.ok(instance);
        return status(patch(instance, username, { isAdmin: false }));
      }),
    );
    const left = await instances[0]?.database.read
      .selectFrom("users")
      .select("id")
      .where("is_admin", "=", 1)
      .execute();
    assert.ok((left?.length ?? 0) >= 1);
  });

  test("deletes a user with namespace, tokens and grants, and frees the name", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    await insertRepository(instance, "acme/x");
    const bob = basic("bob", password);
    assert.equal(
      (await sendJson(instance, "POST", "/api/v1/me/access-tokens", bob, { name: "ci" })).status,
      201,
    );
    await status(instance.fetch("/token?offline_token=true", { authorization: bob }));
    const grant = "/api/v1/repositories/acme/x/-/grants/users/bob";
    assert.equal(await status(sendJson(instance, "PUT", grant, ada, { role: "read" })), 200);
    assert.equal(await status(remove(instance, "bob")), 204);
    for (const table of ["access_tokens", "refresh_tokens", "grants"] as const) {
      assert.deepEqual(await instance.database.read.selectFrom(table).select("id").execute(), [], table);
    }
    assert.equal(await status(instance.fetch("/api/v1/me", { authorization: bob })), 401);
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    assert.equal(await status(instance.fetch("/v2/acme/x/probe/pull", { authorization: bob })), 403);
  });

  test("does not delete a user who has repositories, and loses none", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    await insertRepository(instance, "bob/x");
    assert.equal(await status(remove(instance, "bob")), 409);
    const bob = basic("bob", password);
    assert.equal(await status(instance.fetch("/v2/bob/x/probe/admin", { authorization: bob })), 204);
  });

  test("gives an operator the way back in", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    assert.equal(await status(patch(instance, "bob", { isDisabled: true })), 200);
    await instance.identity.resetAdministrator("bob", "a new password");
    const bob = basic("bob", "a new password");
    assert.equal(await status(instance.fetch("/api/v1/users", { authorization: bob })), 200);
  });
});
