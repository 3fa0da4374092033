import assert from "node:assert/strict";
import { createHash } from "node:crypto";
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
  service,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const path = "/api/v1/me/access-tokens";
const hourMs = 3_600_000;

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  return instance;
}

async function make(instance: TestIdentity, body: object): Promise<{ id: number; secret: string }> {
  const reply = await sendJson(instance, "POST", path, ada, body);
  assert.equal(reply.status, 201);
  const value: unknown = await reply.json();
  return { id: Number(field(field(value, "token"), "id")), secret: textField(value, "secret") };
}

async function rotate(instance: TestIdentity, id: number, body: object = {}): Promise<string> {
  const reply = await sendJson(instance, "POST", `${path}/${id}/rotate`, ada, body);
  assert.equal(reply.status, 200);
  return textField(await reply.json(), "secret");
}

const me = async (instance: TestIdentity, authorization: string) =>
  (await instance.fetch("/api/v1/me", { authorization })).status;

eachDatabase((open) => {
  test("after a rotation both secrets are good, and the old one ends with its grace", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret: first } = await make(instance, { name: "ci" });
    const second = await rotate(instance, id, { graceSeconds: 3_600 });
    for (const secret of [first, second]) {
      assert.equal(await me(instance, bearer(secret)), 200);
      assert.equal(await me(instance, basic(administrator, secret)), 200);
    }
    instance.clock.move(hourMs - 1);
    assert.equal(await me(instance, bearer(first)), 200);
    instance.clock.move(1);
    assert.equal(await me(instance, bearer(first)), 401);
    assert.equal(await me(instance, bearer(second)), 200);
  });

  test("rotating again ends the oldest at once, so that there are never three", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret: first } = await make(instance, { name: "ci" });
    const second = await rotate(instance, id);
    const third = await rotate(instance, id);
    assert.equal(await me(instance, bearer(first)), 401);
    assert.equal(await me(instance, bearer(second)), 200);
    assert.equal(await me(instance, bearer(third)), 200);
    const listed: unknown = await (await instance.fetch(`${path}/${id}`, { authorization: ada })).json();
    const secrets = field(listed, "secrets");
    assert.ok(Array.isArray(secrets) && secrets.length === 2);
  });

  test("without grace, and when revoked by itself, a secret ends at once", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret: first } = await make(instance, { name: "ci" });
    const second = await rotate(instance, id, { graceSeconds: 0 });
    assert.equal(await me(instance, bearer(first)), 401);
    const third = await rotate(instance, id);
    const listed: unknown = await (await instance.fetch(`${path}/${id}`, { authorization: ada })).json();
    const secrets = field(listed, "secrets");
    assert.ok(Array.isArray(secrets));
    const older = Number(field(secrets[0], "id"));
    const revoke = () =>
      instance.fetch(`${path}/${id}/secrets/${older}`, { method: "DELETE", authorization: ada });
    assert.equal((await revoke()).status, 204);
    assert.equal((await revoke()).status, 404);
    assert.equal(await me(instance, bearer(second)), 401);
    assert.equal(await me(instance, bearer(third)), 200);
  });

  test("what was got with a secret ends with it, and what was got with the other goes on", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret: first } = await make(instance, { name: "ci" });
    const logIn = async (secret: string) => {
      const body = {
        grant_type: "password",
        service,
        client_id: "docker",
        access_type: "offline",
      };
      const form = new URLSearchParams({ ...body, username: administrator, password: secret });
      const reply: unknown = await (await instance.fetch("/token", { method: "POST", body: form })).json();
      return { bearer: textField(reply, "access_token"), refresh: textField(reply, "refresh_token") };
    };
    const refresh = async (token: string) => {
      const body = {
        grant_type: "refresh_token",
        service,
        client_id: "docker",
        refresh_token: token,
      };
      return instance.fetch("/token", { method: "POST", body: new URLSearchParams(body) });
    };
    const old = await logIn(first);
    const second = await rotate(instance, id, { graceSeconds: 3_600 });
    const fresh = await logIn(second);
    const refreshed: unknown = await (await refresh(old.refresh)).json();
    const older = [old.bearer, textField(refreshed, "access_token")];
    const ping = async (token: string) =>
      (await instance.fetch("/api/v1/me", { authorization: bearer(token) })).status;
    for (const token of [...older, fresh.bearer]) assert.equal(await ping(token), 200);

    const listed: unknown = await (await instance.fetch(`${path}/${id}`, { authorization: ada })).json();
    const secrets = field(listed, "secrets");
    assert.ok(Array.isArray(secrets));
    const which = Number(field(secrets[0], "id"));
    await instance.fetch(`${path}/${id}/secrets/${which}`, { method: "DELETE", authorization: ada });
    for (const token of older) assert.equal(await ping(token), 401, "of the secret that was revoked");
    assert.equal((await refresh(old.refresh)).status, 401);
    const forged = old.refresh.replace(/[.][0-9]+$/, `.${String(field(secrets[1], "id"))}`);
    for (const token of [forged, old.refresh.replace(/[.][0-9]+$/, "")]) {
      assert.equal((await refresh(token)).status, 401, "its number is part of it");
    }
    assert.equal(await ping(fresh.bearer), 200);
    assert.equal((await refresh(fresh.refresh)).status, 200);

    await rotate(instance, id, { graceSeconds: 60 });
    instance.clock.move(61_000);
    assert.equal(await ping(fresh.bearer), 401, "its grace is over");
    assert.equal((await refresh(fresh.refresh)).status, 401);
  });

  test("two rotations at once leave two secrets that work", async (t) => {
    const instance = await start(t, await open(t));
    const { id } = await make(instance, { name: "ci" });
    const secrets = await Promise.all([rotate(instance, id), rotate(instance, id), rotate(instance, id)]);
    const good = await Promise.all(secrets.map((secret) => me(instance, bearer(secret))));
    assert.equal(good.filter((status) => status === 200).length, 2);
    const rows = await instance.database.read.selectFrom("access_token_secrets").select("id").execute();
    assert.equal(rows.length, 2);
  });

  test("a token whose hash has no key works until it is rotated, and says so", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret } = await make(instance, { name: "old" });
    await instance.database.transaction((tx) =>
      tx
        .updateTable("access_token_secrets")
        .set({ secret_hash: createHash("sha256").update(secret).digest("hex"), is_legacy: 1 })
        .execute(),
    );
    instance.access.changed();
    assert.equal(await me(instance, bearer(secret)), 200);
    const listed: unknown = await (await instance.fetch(`${path}/${id}`, { authorization: ada })).json();
    assert.match(JSON.stringify(listed), /"isLegacy":true/);
    await rotate(instance, id, { graceSeconds: 0 });
    assert.equal(await me(instance, bearer(secret)), 401);
    const rows = await instance.database.read.selectFrom("access_token_secrets").selectAll().execute();
    assert.deepEqual(
      rows.map((row) => row.is_legacy),
      [0],
    );
  });

  test("a fresh secret comes with the files that use it, or as one of them", async (t) => {
    const instance = await start(t, await open(t));
    const reply = await sendJson(instance, "POST", path, ada, { name: "ci" });
    assert.equal(reply.headers.get("cache-control"), "no-store");
    const value: unknown = await reply.json();
    const secret = textField(value, "secret");
    const { host } = new URL(instance.origin);
    const auth = Buffer.from(`${administrator}:${secret}`).toString("base64");
    const config = { auths: { [host]: { username: administrator, password: secret, auth } } };
    assert.deepEqual(field(value, "dockerConfig"), config);
    assert.equal(
      textField(value, "dockerLogin"),
      `printf %s ${secret} | docker login ${host} --username ${administrator} --password-stdin`,
    );
    const docker = await sendJson(instance, "POST", `${path}?format=docker`, ada, { name: "b" });
    assert.match(await docker.text(), /^\{"auths":\{/);
    const yaml = await (
      await sendJson(instance, "POST", `${path}?format=kubernetes&secretName=pull.me`, ada, { name: "c" })
    ).text();
    const [, encoded = ""] = /\.dockerconfigjson: (\S+)/.exec(yaml) ?? [];
    assert.match(yaml, /^kind: Secret$/m);
    assert.match(yaml, /^ {2}name: "pull\.me"$/m);
    assert.match(yaml, /^type: kubernetes\.io\/dockerconfigjson$/m);
    const decoded: unknown = JSON.parse(Buffer.from(encoded, "base64").toString());
    assert.match(JSON.stringify(decoded), /"username":"ada"/);
    for (const query of ["?format=toml", "?format=kubernetes&secretName=A_B"]) {
      assert.equal((await sendJson(instance, "POST", `${path}${query}`, ada, { name: "d" })).status, 400);
    }
    const names = await instance.database.read.selectFrom("access_tokens").select("name").execute();
    assert.deepEqual(
      names.map(({ name }) => name).sort(),
      ["b", "c", "ci"],
      "a refused request makes nothing",
    );
  });

  test("is good from its networks only, and so is every token that was got with it", async (t) => {
    const instance = await start(t, await open(t), { trustProxy: true });
    await insertRepository(instance, "ada/app");
    const { secret } = await make(instance, { name: "ci", networks: ["192.0.2.0/24", "2001:db8:1::/48"] });
    const from = (address: string, authorization: string, where = "/v2/ada/app/probe/pull") =>
      instance.fetch(where, { authorization, headers: { "x-forwarded-for": address } });
    const inside = ["192.0.2.9", "::ffff:192.0.2.9", "[2001:db8:1::5]:4711", "2001:db8:1:ffff::1"];
    for (const address of inside) assert.equal((await from(address, bearer(secret))).status, 204, address);
    const outside = ["192.0.3.9", "2001:db8:2::5", "::ffff:192.0.3.9", "nonsense", "127.0.0.1"];
    for (const address of outside) assert.equal((await from(address, bearer(secret))).status, 401, address);
    const query = "/token?service=registry.test&scope=repository:ada/app:pull&offline_token=true";
    assert.equal((await from("192.0.3.9", basic(administrator, secret), query)).status, 401);
    const granted: unknown = await (await from("192.0.2.9", basic(administrator, secret), query)).json();
    const token = bearer(textField(granted, "token"));
    assert.equal((await from("192.0.2.10", token)).status, 204);
    assert.equal((await from("192.0.3.9", token)).status, 401);
    const redeem = (address: string) =>
      instance.fetch("/token", {
        method: "POST",
        headers: { "x-forwarded-for": address },
        body: new URLSearchParams({
          grant_type: "refresh_token",
          service: "registry.test",
          refresh_token: textField(granted, "refresh_token"),
        }),
      });
    assert.equal((await redeem("192.0.2.10")).status, 200);
    assert.equal((await redeem("192.0.3.9")).status, 401);
    const widen = { method: "PATCH", authorization: bearer(secret) };
    const mine = await instance.database.read
      .selectFrom("access_tokens")
      .select("id")
      .executeTakeFirstOrThrow();
    const reply = await instance.fetch(`${path}/${mine.id}`, {
      ...widen,
      headers: { "x-forwarded-for": "192.0.2.9", "content-type": "application/json" },
      body: JSON.stringify({ networks: null }),
    });
    assert.equal(reply.status, 403, "nor can it free itself");
  });

  test("an application token pulls, and manages nothing", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "ada/app");
    const { secret } = await make(instance, { name: "docker", kind: "application" });
    assert.equal(
      (await instance.fetch("/v2/ada/app/probe/push", { authorization: bearer(secret) })).status,
      204,
    );
    const token = bearer(await getToken(instance, "repository:ada/app:pull", basic(administrator, secret)));
    assert.equal((await instance.fetch("/v2/ada/app/probe/pull", { authorization: token })).status, 204);
    for (const authorization of [bearer(secret), basic(administrator, secret), token]) {
      for (const where of ["/api/v1/me", path, "/api/v1/users", "/api/v1/repositories/ada/app/-/grants"]) {
        assert.equal((await instance.fetch(where, { authorization })).status, 403, where);
      }
    }
  });

  test("records when and from where a token was used", async (t) => {
    const instance = await start(t, await open(t), { trustProxy: true });
    const { id, secret } = await make(instance, { name: "ci" });
    await instance.fetch("/api/v1/me", {
      authorization: bearer(secret),
      headers: { "x-forwarded-for": "203.0.113.7" },
    });
    const listed: unknown = await (await instance.fetch(`${path}/${id}`, { authorization: ada })).json();
    assert.equal(field(listed, "lastUsedAtMs"), instance.clock.nowMs());
    assert.equal(field(listed, "lastUsedAddress"), "203.0.113.7");
  });

  test("is not good before its time", async (t) => {
    const instance = await start(t, await open(t));
    const { secret } = await make(instance, { name: "ci", notBeforeMs: instance.clock.nowMs() + hourMs });
    assert.equal(await me(instance, bearer(secret)), 401);
    instance.clock.move(hourMs);
    assert.equal(await me(instance, bearer(secret)), 200);
  });

  test("is changed by its owner, and its scopes are never widened", async (t) => {
    const instance = await start(t, await open(t));
    const scopes = [{ repositories: "ada/**", actions: ["pull", "push"] }];
    const { id, secret } = await make(instance, { name: "ci", scopes });
    await make(instance, { name: "other" });
    const patch = (body: object) => sendJson(instance, "PATCH", `${path}/${id}`, ada, body);
    const narrow = [{ repositories: "ada/app", actions: ["pull"] }];
    const changed = await patch({
      name: "ci2",
      description: "for CI",
      scopes: narrow,
      networks: ["127.0.0.1"],
    });
    assert.equal(changed.status, 200);
    const value: unknown = await changed.json();
    assert.deepEqual(field(value, "scopes"), narrow);
    assert.equal(field(value, "name"), "ci2");
    assert.deepEqual(field(value, "networks"), ["127.0.0.1"]);
    for (const wider of [
      scopes,
      [{ repositories: "ada/app", actions: ["delete"] }],
      [{ repositories: "**", actions: ["pull"] }],
    ]) {
      assert.equal((await patch({ scopes: wider })).status, 403);
    }
    assert.equal((await patch({ name: "other" })).status, 409);
    assert.equal((await patch({ networks: ["10.0.0.0/99"] })).status, 400);
    assert.equal((await patch({ scopes: [] })).status, 400);
    assert.equal((await patch({ expiresAtMs: instance.clock.nowMs() + 1_000 })).status, 200);
    instance.clock.move(1_000);
    assert.equal(
      (await instance.fetch("/v2/ada/app/probe/pull", { authorization: bearer(secret) })).status,
      401,
    );
  });

  test("administrators see and end the tokens of others; auditors only see them; others neither", async (t) => {
    const instance = await start(t, await open(t));
    for (const username of ["bob", "eve"]) {
      await instance.identity.createUser({ username, password, isAdmin: false });
    }
    await sendJson(instance, "PATCH", "/api/v1/users/eve", ada, { isAuditor: true });
    const made: unknown = await (
      await sendJson(instance, "POST", path, basic("bob", password), { name: "ci" })
    ).json();
    const secret = textField(made, "secret");
    const where = "/api/v1/users/bob/access-tokens";
    const id = String(field(field(made, "token"), "id"));
    const eve = basic("eve", password);
    const listed = await (await instance.fetch(where, { authorization: eve })).text();
    assert.match(listed, /"name":"ci"/);
    assert.ok(!listed.includes(secret));
    const end = (authorization: string) =>
      instance.fetch(`${where}/${id}`, { method: "DELETE", authorization });
    assert.equal((await instance.fetch(where, { authorization: basic("bob", password) })).status, 403);
    assert.equal((await end(eve)).status, 403);
    assert.equal(await me(instance, bearer(secret)), 200);
    assert.equal((await end(ada)).status, 204);
    assert.equal(await me(instance, bearer(secret)), 401);
    assert.equal((await end(ada)).status, 404);
  });

  test("nothing of a secret gets into the log or the audit", async (t) => {
    const instance = await start(t, await open(t));
    const { id, secret } = await make(instance, { name: "ci" });
    const second = await rotate(instance, id);
    await me(instance, bearer(secret));
    await me(instance, basic("nobody", secret));
    await instance.fetch(`/token?account=${administrator}&client_id=x`, {
      authorization: basic(administrator, second),
    });
    const audit = await instance.database.read
      .selectFrom("audit_entries")
      .selectAll()
      .orderBy("id")
      .execute();
    const written = JSON.stringify([audit, instance.lines]);
    for (const text of [secret, second, password]) assert.ok(!written.includes(text));
    assert.deepEqual(
      audit
        .filter((entry) => entry.action.startsWith("access-token."))
        .map((entry) => [entry.action, entry.target]),
      [
        ["access-token.create", 'access token "ci" of ada'],
        ["access-token.rotate", 'access token "ci" of ada'],
      ],
    );
  });
});
