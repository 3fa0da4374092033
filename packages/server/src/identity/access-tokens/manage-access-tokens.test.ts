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
  textField,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const path = "/api/v1/me/access-tokens";

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  return instance;
}

const make = (instance: TestIdentity, body: object, authorization = ada) =>
  sendJson(instance, "POST", path, authorization, body);

async function secretOf(reply: Promise<Response>): Promise<string> {
  return textField(await (await reply).json(), "secret");
}

eachDatabase((open) => {
  test("tells the secret once, and stores only its hash", async (t) => {
    const instance = await start(t, await open(t));
    const reply = await make(instance, { name: "ci" });
    assert.equal(reply.status, 201);
    assert.equal(reply.headers.get("cache-control"), "no-store");
    const value: unknown = await reply.json();
    const secret = textField(value, "secret");
    assert.match(secret, /^entp_[A-Za-z0-9_-]{43}$/);
    const listed = await (await instance.fetch(path, { authorization: ada })).text();
    assert.deepEqual(field(JSON.parse(listed), "tokens"), [field(value, "token")]);
    assert.ok(!listed.includes(secret));
    const rows = await instance.database.read.selectFrom("access_tokens").selectAll().execute();
    assert.ok(!JSON.stringify(rows).includes(secret.slice(5)));
    const secrets = await instance.database.read.selectFrom("access_token_secrets").selectAll().execute();
    assert.match(secrets[0]?.secret_hash ?? "", /^[0-9a-f]{64}$/);
    assert.equal(secrets[0]?.is_legacy, 0);
    assert.ok(!JSON.stringify(secrets).includes(secret.slice(5)));
  });

  test("refuses what could never be of use, with 400", async (t) => {
    const instance = await start(t, await open(t));
    const bad = [
      {},
      { name: "" },
      { name: "x".repeat(101) },
      { name: "a\0b" },
      { name: "a\nb" },
      { name: "ci", expiresAtMs: instance.clock.nowMs() },
      { name: "ci", expiresAtMs: -1 },
      { name: "ci", expiresAtMs: 1.5 },
      { name: "ci", scopes: "" },
      { name: "ci", scopes: "repository:ada/x:pull" },
      { name: "ci", scopes: [] },
      { name: "ci", scopes: [{ repositories: "ada/x" }] },
      { name: "ci", scopes: [{ repositories: "ada/x", actions: [] }] },
      { name: "ci", scopes: [{ repositories: "ada/x", actions: ["explode"] }] },
      { name: "ci", scopes: [{ repositories: "ada/**/x", actions: ["pull"] }] },
      { name: "ci", scopes: [{ repositories: "Ada/x", actions: ["pull"] }] },
      { name: "ci", scopes: [{ repositories: "ada/x", tags: "a b", actions: ["pull"] }] },
      { name: "ci", scopes: [{ repositories: "ada/x", actions: ["pull"], more: true }] },
      { name: "ci", more: true },
    ];
    for (const body of bad) assert.equal((await make(instance, body)).status, 400, JSON.stringify(body));
    assert.deepEqual(await instance.database.read.selectFrom("access_tokens").selectAll().execute(), []);
    assert.equal(
      (await make(instance, { name: "ci", scopes: [{ repositories: "ada/**", actions: ["pull"] }] })).status,
      201,
    );
    assert.equal((await make(instance, { name: "ci" })).status, 409);
    assert.equal((await make(instance, { name: "ci" }, basic("bob", password))).status, 201);
  });

  test("lets a token make none that has more rights or lives longer", async (t) => {
    const instance = await start(t, await open(t));
    const soon = instance.clock.nowMs() + 10_000;
    const scopes = [{ repositories: "ada/x", actions: ["pull", "push", "delete", "admin"] }];
    const scoped = await secretOf(make(instance, { name: "scoped", scopes }));
    const expiring = await secretOf(make(instance, { name: "expiring", expiresAtMs: soon }));
    const lasting = await secretOf(make(instance, { name: "lasting" }));
    const narrow = await getToken(instance, "repository:ada/x:*", ada);
    for (const limited of [basic(administrator, scoped), bearer(scoped), bearer(narrow)]) {
      assert.equal((await make(instance, { name: "new" }, limited)).status, 403);
      assert.equal((await instance.fetch(path, { authorization: limited })).status, 403);
      assert.equal((await sendJson(instance, "DELETE", `${path}/1`, limited)).status, 403);
      assert.equal((await instance.fetch("/api/v1/users", { authorization: limited })).status, 403);
    }
    assert.equal((await make(instance, { name: "new" }, bearer(expiring))).status, 403);
    assert.equal(
      (await make(instance, { name: "new", expiresAtMs: soon + 1 }, bearer(expiring))).status,
      403,
    );
    assert.equal((await make(instance, { name: "a", expiresAtMs: soon }, bearer(expiring))).status, 201);
    assert.equal((await make(instance, { name: "b" }, bearer(lasting))).status, 201);
  });

  test("revokes one's own tokens only", async (t) => {
    const instance = await start(t, await open(t));
    const made: unknown = await (await make(instance, { name: "ci" })).json();
    const id = field(field(made, "token"), "id");
    const secret = textField(made, "secret");
    const me = async () => (await instance.fetch("/api/v1/me", { authorization: bearer(secret) })).status;
    const revoke = async (which: unknown, authorization: string) =>
      (await sendJson(instance, "DELETE", `${path}/${String(which)}`, authorization)).status;
    assert.equal(await revoke(id, basic("bob", password)), 404);
    for (const none of ["999999", "x", "-1", "1e3", "9".repeat(30)]) {
      assert.equal(await revoke(none, ada), 404, none);
    }
    assert.equal(await me(), 200);
    assert.equal(await revoke(id, ada), 204);
    assert.equal(await me(), 401);
    assert.equal(await revoke(id, ada), 404);
  });

  test("allows with a scoped token what its scopes and its user's rights have in common", async (t) => {
    const instance = await start(t, await open(t));
    for (const name of ["bob/x", "bob/y", "acme/x", "bob/z/1"]) await insertRepository(instance, name);
    await insertRepository(instance, "acme/public", "public");
    const bob = basic("bob", password);
    const scopes = [
      { repositories: "bob/x", actions: ["pull", "push"] },
      { repositories: "acme/*", actions: ["pull"] },
      { repositories: "bob/z/**", actions: ["pull"] },
    ];
    const secret = await secretOf(make(instance, { name: "ci", scopes }, bob));
    const may = async (probe: string) =>
      (await instance.fetch(`/v2/${probe}`, { authorization: basic("bob", secret) })).status;
    assert.equal(await may("bob/x/probe/pull"), 204);
    assert.equal(await may("bob/x/probe/push"), 204);
    assert.equal(await may("bob/z/1/probe/pull"), 204);
    assert.equal(await may("acme/public/probe/pull"), 204);
    for (const probe of [
      "bob/x/probe/delete",
      "bob/x/probe/admin",
      "bob/y/probe/pull",
      "acme/x/probe/pull",
    ]) {
      assert.equal(await may(probe), 403, probe);
    }
    const listing: unknown = await (
      await instance.fetch("/v2/_catalog", { authorization: basic("bob", secret) })
    ).json();
    assert.deepEqual(listing, ["acme/public", "bob/x", "bob/z/1"]);
  });
});
