import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  getToken,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const scope = "repository:ada/x:pull";

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  return instance;
}

async function pull(instance: TestIdentity, token: string): Promise<number> {
  return (await instance.fetch("/v2/ada/x/probe/pull", { authorization: bearer(token) })).status;
}

interface Forgery {
  readonly header?: object;
  readonly claims?: JWTPayload;
  readonly without?: string;
  readonly key?: CryptoKey | Uint8Array;
}

/** Signs like the token service, with its own key unless another is given, whatever a test wants to be different. */
async function forge(instance: TestIdentity, forgery: Forgery): Promise<string> {
  const row = await instance.database.read.selectFrom("signing_keys").selectAll().executeTakeFirstOrThrow();
  const own: JWK = JSON.parse(row.private_jwk);
  const key = forgery.key ?? (await importJWK(own, "ES256"));
  const user = await instance.database.read.selectFrom("users").select("id").executeTakeFirstOrThrow();
  const real = await getToken(instance, scope, ada);
  const claims: JWTPayload = {
    ...JSON.parse(Buffer.from(real.split(".")[1] ?? "", "base64url").toString()),
    uid: user.id,
    ...forgery.claims,
  };
  if (forgery.without !== undefined) delete claims[forgery.without];
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "JWT", kid: row.kid, ...forgery.header })
    .sign(key);
}

eachDatabase((open) => {
  test("takes its own token, and refuses one that differs in anything that matters", async (t) => {
    const instance = await start(t, await open(t));
    const nowSeconds = Math.floor(instance.clock.nowMs() / 1_000);
    await getToken(instance, "");
    assert.equal(await pull(instance, await forge(instance, {})), 204, "the forger knows the form");
    const stranger = await generateKeyPair("ES256", { extractable: true });
    const jwk = await exportJWK(stranger.publicKey);
    const published = await (await instance.fetch("/token/jwks")).text();
    const publicBytes = Buffer.from(published);
    const forgeries: Readonly<Record<string, Forgery>> = {
      "another key": { key: stranger.privateKey },
      "a key of its own in the header": { key: stranger.privateKey, header: { jwk } },
      "an unknown key id": { header: { kid: "unknown" } },
      "no key id": { header: { kid: undefined } },
      "another type": { header: { typ: "at+jwt" } },
      "no type": { header: { typ: undefined } },
      "a public key taken for a secret": { key: publicBytes, header: { alg: "HS256" } },
      "another issuer": { claims: { iss: "somebody" } },
      "another service": { claims: { aud: "another" } },
      "no service": { without: "aud" },
      "no expiry": { without: "exp" },
      "no identity of its own": { without: "jti" },
      "no list of what it carries": { without: "access" },
      "a time to come": { claims: { nbf: nowSeconds + 31 } },
      "a time gone by": { claims: { exp: nowSeconds - 30 } },
      "a user who is not there": { claims: { uid: 999_999 } },
      "an access token that is not there": { claims: { pat: 999_999 } },
      "another password": { claims: { epoch: "x" } },
      "neither password nor access token": { without: "epoch" },
    };
    for (const [what, forgery] of Object.entries(forgeries)) {
      assert.equal(await pull(instance, await forge(instance, forgery)), 401, what);
    }
  });

  test("bears clocks that differ by half a minute", async (t) => {
    const instance = await start(t, await open(t));
    const nowSeconds = Math.floor(instance.clock.nowMs() / 1_000);
    await getToken(instance, "");
    const bearable = [{ nbf: nowSeconds + 30, iat: nowSeconds + 30 }, { exp: nowSeconds - 29 }];
    for (const claims of bearable) assert.equal(await pull(instance, await forge(instance, { claims })), 204);
  });

  test("refuses a token that it has verified before when it expires", async (t) => {
    const instance = await start(t, await open(t));
    const token = await getToken(instance, scope, ada);
    assert.equal(await pull(instance, token), 204);
    instance.clock.move(300_000 + 29_999);
    assert.equal(await pull(instance, token), 204);
    instance.clock.move(1);
    assert.equal(await pull(instance, token), 401);
    assert.equal(await pull(instance, token), 401);
  });

  test("asks for a wider token with insufficient_scope, and for another with invalid_token", async (t) => {
    const instance = await start(t, await open(t));
    const token = await getToken(instance, scope, ada);
    const narrow = await instance.fetch("/v2/ada/x/probe/push", { authorization: bearer(token) });
    assert.equal(narrow.status, 401);
    const challenge = narrow.headers.get("www-authenticate") ?? "";
    assert.match(challenge, /error="insufficient_scope"/);
    assert.match(challenge, /scope="repository:ada\/x:pull,push"/);
    const broken = await instance.fetch("/v2/ada/x/probe/push", { authorization: bearer(`${token}x`) });
    assert.match(broken.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
    const listing = await instance.fetch("/v2/_catalog", { authorization: bearer(token) });
    assert.equal(listing.status, 401);
    assert.match(listing.headers.get("www-authenticate") ?? "", /scope="registry:catalog:\*"/);
    const wide = await getToken(instance, "registry:catalog:*", ada);
    assert.equal((await instance.fetch("/v2/_catalog", { authorization: bearer(wide) })).status, 200);
  });

  test("refuses with 403 what no token of the user could carry, the same for hidden and missing", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const token = await getToken(instance, "repository:ada/x:push", basic("bob", password));
    const reply = await instance.fetch("/v2/ada/x/probe/push", { authorization: bearer(token) });
    assert.equal(reply.status, 403);
    assert.equal(reply.headers.get("www-authenticate"), null);
  });

  test("makes a token worth less at once when its user loses rights", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: true });
    const token = await getToken(instance, scope, basic("bob", password));
    assert.equal(await pull(instance, token), 204);
    const change = (body: object) => sendJson(instance, "PATCH", "/api/v1/users/bob", ada, body);
    assert.equal((await change({ isAdmin: false })).status, 200);
    assert.equal(await pull(instance, token), 403);
    assert.equal((await change({ isAdmin: true })).status, 200);
    assert.equal(await pull(instance, token), 204);
    assert.equal((await change({ isDisabled: true })).status, 200);
    assert.equal(await pull(instance, token), 401);
  });

  test("ends the tokens of a changed password on other instances within a second", async (t) => {
    const url = await open.url(t);
    const instance = await start(t, await open(t, { url }));
    const other = await startIdentity(t, await open(t, { url }));
    const token = await getToken(instance, scope, ada);
    assert.equal(await pull(other, token), 204);
    await instance.identity.resetAdministrator(administrator, "a new password");
    assert.equal(await pull(instance, token), 401);
    other.clock.move(1_000);
    assert.equal(await pull(other, token), 401);
  });

  test("refuses a token that it has verified before when its key is removed", async (t) => {
    const instance = await start(t, await open(t));
    const token = await getToken(instance, scope, ada);
    assert.equal(await pull(instance, token), 204);
    await instance.database.transaction((tx) => tx.deleteFrom("signing_keys").execute());
    instance.clock.move(5_000);
    assert.equal(await pull(instance, token), 401);
    assert.equal(await pull(instance, await getToken(instance, scope, ada)), 204);
  });

  test("takes no token of a deleted user for one who takes the name", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const token = await getToken(instance, "repository:bob/x:pull", basic("bob", password));
    assert.equal((await sendJson(instance, "DELETE", "/api/v1/users/bob", ada)).status, 204);
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const reply = await instance.fetch("/v2/bob/x/probe/pull", { authorization: bearer(token) });
    assert.equal(reply.status, 401);
  });
});
