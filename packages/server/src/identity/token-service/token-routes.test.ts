import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  getToken,
  insertRepository,
  password,
  postForm,
  sendJson,
  service,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);

async function withUsers(instance: TestIdentity): Promise<TestIdentity> {
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  await insertRepository(instance, "acme/public", "public");
  await insertRepository(instance, "acme/hidden");
  return instance;
}

const access = (token: string) => field(decodeJwt(token), "access");

async function json(reply: Response | Promise<Response>, status = 200): Promise<unknown> {
  const settled = await reply;
  const text = await settled.text();
  assert.equal(settled.status, status, text);
  assert.match(settled.headers.get("content-type") ?? "", /^application\/json/);
  return JSON.parse(text);
}

/** The error of an OCI answer. */
async function ociError(reply: Response | Promise<Response>, status: number): Promise<string> {
  const errors = field(await json(reply, status), "errors");
  assert.ok(Array.isArray(errors) && errors.length === 1);
  assert.match(textField(errors[0], "message"), /\w+ \w+/);
  return textField(errors[0], "code");
}

eachDatabase((open) => {
  test("answers GET with the fields of the specification, and POST with those of its own", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const got = await instance.fetch(`/token?service=${service}&scope=repository:ada/x:pull`, {
      authorization: ada,
    });
    assert.equal(got.headers.get("cache-control"), "no-store");
    const value = await json(got);
    assert.deepEqual(Object.keys(Object(value)).sort(), ["access_token", "expires_in", "issued_at", "token"]);
    assert.equal(field(value, "token"), field(value, "access_token"));
    assert.equal(field(value, "expires_in"), 300);
    assert.equal(field(value, "issued_at"), new Date(instance.clock.nowMs()).toISOString());

    const posted = await postForm(instance, {
      grant_type: "password",
      service,
      client_id: "x",
      username: administrator,
      password,
      scope: "repository:ada/x:pull,push repository:ada/y:pull",
    });
    assert.equal(posted.headers.get("cache-control"), "no-store");
    const second = await json(posted);
    assert.deepEqual(Object.keys(Object(second)).sort(), [
      "access_token",
      "expires_in",
      "issued_at",
      "scope",
    ]);
    assert.equal(field(second, "scope"), "repository:ada/x:pull,push repository:ada/y:pull");
  });

  test("issues tokens of distribution's form", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const token = await getToken(instance, "repository:ada/x:pull,push", ada);
    const { kid, ...header } = decodeProtectedHeader(token);
    assert.deepEqual(header, { alg: "ES256", typ: "JWT" });
    assert.equal(typeof kid, "string");
    const { jti, uid, epoch, ...claims } = decodeJwt(token);
    const nowSeconds = Math.floor(instance.clock.nowMs() / 1_000);
    assert.deepEqual(claims, {
      iss: "entrepot",
      sub: administrator,
      aud: service,
      iat: nowSeconds,
      nbf: nowSeconds,
      exp: nowSeconds + 300,
      access: [{ type: "repository", name: "ada/x", actions: ["pull", "push"] }],
    });
    for (const claim of [jti, epoch]) assert.equal(typeof claim, "string");
    assert.equal(typeof uid, "number");
    const anonymous = decodeJwt(await getToken(instance, "repository:acme/public:pull"));
    assert.equal(anonymous.sub, "");
    assert.equal(anonymous["uid"], undefined);
  });

  test("grants what is asked for and permitted, and answers 200 when that is nothing", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t), { anonymousAccess: "pull" }));
    const bob = basic("bob", password);
    const scope = (name: string, actions: string[], type = "repository") => ({ type, name, actions });
    const cases: readonly (readonly [string, string | undefined, readonly object[]])[] = [
      ["repository:acme/public:pull,push", undefined, [scope("acme/public", ["pull"])]],
      ["repository:acme/hidden:pull", undefined, []],
      ["repository:acme/none:pull", undefined, []],
      ["repository:acme/hidden:pull", bob, []],
      ["repository:bob/new:push,pull", bob, [scope("bob/new", ["push", "pull"])]],
      ["repository(plugin):bob/new:pull", bob, [scope("bob/new", ["pull"])]],
      ["repository:bob/new:*", bob, [scope("bob/new", ["pull", "push", "delete", "admin"])]],
      ["repository:acme/public:*", bob, [scope("acme/public", ["pull"])]],
      ["repository:bob/new:explode", bob, []],
      ["repository:UPPER/case:pull", ada, []],
      ["registry:catalog:*", bob, [scope("catalog", ["*"], "registry")]],
      ["registry:everything:*", ada, []],
      ["starship:enterprise:fly", ada, []],
      ["", ada, []],
      ["repository:bob/new:", bob, []],
    ];
    for (const [asked, authorization, granted] of cases) {
      assert.deepEqual(access(await getToken(instance, asked, authorization)), granted, asked);
    }
  });

  test("takes `scope` repeated, several in one value, and unites those of one resource", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const query =
      "scope=repository:ada/x:pull&scope=repository:ada/y:pull%20repository:ada/x:push&scope=repository:ada/y:pull";
    const value = await json(instance.fetch(`/token?${query}`, { authorization: ada }));
    assert.deepEqual(access(textField(value, "token")), [
      { type: "repository", name: "ada/x", actions: ["pull", "push"] },
      { type: "repository", name: "ada/y", actions: ["pull"] },
    ]);
  });

  test("refuses bad requests with 400 and wrong credentials with 401, in OCI's form", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const get = (query: string, authorization = ada) => instance.fetch(`/token?${query}`, { authorization });
    const signIn = { grant_type: "password", username: administrator, password };
    const many = Array.from({ length: 101 }, (_, index) => `repository:a/b${index}:pull`);
    const long = Array.from({ length: 60 }, (_, index) => `repository:ada/${"x".repeat(150)}${index}:pull`);
    const bad = [
      get("service=another"),
      get("scope=nonsense"),
      get("scope=repository:ada/x"),
      get(many.map((scope) => `scope=${scope}`).join("&")),
      postForm(instance, { ...signIn, scope: long.join(" ") }),
      postForm(instance, { ...signIn, service: "another" }),
      postForm(instance, { ...signIn, scope: "nonsense" }),
      postForm(instance, { ...signIn, grant_type: "authorization_code" }),
      postForm(instance, { username: administrator, password }),
      instance.fetch("/token", { method: "POST" }),
      instance.fetch("/token", { method: "POST", body: "grant_type=password&grant_type=password" }),
      instance.fetch("/token", {
        method: "POST",
        body: new URLSearchParams("grant_type=password&grant_type=password"),
      }),
    ];
    for (const reply of bad) await ociError(reply, 400);
    const token = await getToken(instance, "", ada);
    const unauthorized = [
      get("", basic(administrator, "wrong")),
      get("", basic("nobody", password)),
      get("account=bob"),
      get("", bearer(`${token}x`)),
      postForm(instance, { ...signIn, password: "wrong" }),
      postForm(instance, { grant_type: "password" }),
      postForm(instance, { grant_type: "refresh_token" }),
      postForm(instance, { grant_type: "refresh_token", refresh_token: "unknown" }),
      postForm(instance, { grant_type: "refresh_token", refresh_token: token }),
    ];
    for (const reply of unauthorized) assert.equal(await ociError(reply, 401), "UNAUTHORIZED");
    const tooLarge = await postForm(instance, { ...signIn, scope: "x".repeat(1_100_000) });
    assert.equal(tooLarge.status, 413);
  });

  test("takes the account that signed in, and any from nobody in particular", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    await json(instance.fetch(`/token?account=${administrator}&client_id=docker`, { authorization: ada }));
    await json(instance.fetch("/token?account=bob"));
  });

  test("gives no bearer token for a bearer token, which would widen itself and never end", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t), { anonymousAccess: "pull" }));
    const narrow = await getToken(instance, "repository:ada/x:pull", ada);
    const nobodys = await getToken(instance, "repository:acme/public:pull");
    for (const token of [narrow, nobodys]) {
      for (const query of ["scope=repository:ada/x:push", "offline_token=true", ""]) {
        const reply = instance.fetch(`/token?${query}`, { authorization: bearer(token) });
        assert.equal(await ociError(reply, 401), "UNAUTHORIZED");
      }
    }
    assert.deepEqual(await instance.database.read.selectFrom("refresh_tokens").selectAll().execute(), []);
  });

  test("limits what is got with a scoped access token to its scopes, refresh tokens included", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ada, {
      name: "ci",
      scopes: [{ repositories: "ada/x", actions: ["pull"] }],
    });
    const secret = textField(await json(made, 201), "secret");
    const wanted = "repository:ada/x:pull,push repository:ada/y:pull";
    const granted = [{ type: "repository", name: "ada/x", actions: ["pull"] }];
    const query = new URLSearchParams({ scope: wanted, offline_token: "true" }).toString();
    for (const authorization of [basic(administrator, secret), bearer(secret)]) {
      const value = await json(instance.fetch(`/token?${query}`, { authorization }));
      assert.deepEqual(access(textField(value, "token")), granted);
      const refreshed = await postForm(instance, {
        grant_type: "refresh_token",
        refresh_token: textField(value, "refresh_token"),
        scope: wanted,
      });
      assert.equal(field(await json(refreshed), "scope"), "repository:ada/x:pull");
    }
    // containerd sends a secret without a user name as a refresh token.
    const alone = await postForm(instance, {
      grant_type: "refresh_token",
      refresh_token: secret,
      scope: wanted,
    });
    assert.equal(field(await json(alone), "scope"), "repository:ada/x:pull");
  });

  test("gives a refresh token only to those who ask for one and are somebody", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const signIn = { grant_type: "password", username: administrator, password };
    const none = [
      instance.fetch("/token", { authorization: ada }),
      instance.fetch("/token?offline_token=false", { authorization: ada }),
      instance.fetch("/token?offline_token=true"),
      postForm(instance, signIn),
      postForm(instance, { ...signIn, access_type: "online" }),
    ];
    for (const reply of none) assert.equal(field(await json(reply), "refresh_token"), undefined);
    const some = [
      instance.fetch(`/token?offline_token=true&client_id=${"x".repeat(300)}%00%0A`, { authorization: ada }),
      postForm(instance, { ...signIn, access_type: "offline", client_id: "docker\0" }),
    ];
    for (const reply of some) textField(await json(reply), "refresh_token");
    const stored = await instance.database.read
      .selectFrom("refresh_tokens")
      .select(["secret_hash", "service"])
      .execute();
    assert.equal(stored.length, 2);
    for (const row of stored) {
      assert.match(row.secret_hash, /^[0-9a-f]{64}$/);
      assert.equal(row.service, service);
    }
  });

  test("publishes the keys that verify its tokens, and nothing private", async (t) => {
    const instance = await withUsers(await startIdentity(t, await open(t)));
    const token = await getToken(instance, "", ada);
    for (const path of ["/token/jwks", "/.well-known/jwks.json"]) {
      const keys = field(await json(instance.fetch(path)), "keys");
      assert.ok(Array.isArray(keys) && keys.length === 1);
      assert.deepEqual(Object.keys(Object(keys[0])).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
      assert.equal(field(keys[0], "kid"), decodeProtectedHeader(token).kid);
    }
  });

  test("publishes a key before the first token was asked for", async (t) => {
    const instance = await startIdentity(t, await open(t));
    const keys = field(await json(instance.fetch("/token/jwks")), "keys");
    assert.ok(Array.isArray(keys) && keys.length === 1);
    assert.equal(field(keys[0], "kid"), decodeProtectedHeader(await getToken(instance, "")).kid);
  });
});
