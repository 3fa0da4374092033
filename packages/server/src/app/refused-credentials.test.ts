import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { MovableClock } from "../identity/testing/movable-clock.ts";
import { eachDatabase, type OpenTestDatabase } from "../storage/database/testing/each-database.ts";
import { startApp } from "./testing/start-app.ts";

const password = "a password of eve";
const eve = basic("eve", password);

interface Answer {
  readonly status: number;
  readonly challenge: string;
  readonly text: string;
}

interface World {
  readonly clock: MovableClock;
  readonly ask: (
    method: string,
    path: string,
    authorization?: string,
    body?: string | URLSearchParams,
  ) => Promise<Answer>;
  /** A personal access token as the API makes it. */
  readonly newToken: (fields?: object) => Promise<{ readonly id: string; readonly secret: string }>;
  /** A bearer token, as docker gets it with a credential. */
  readonly newBearer: (authorization: string, actions?: string) => Promise<string>;
}

async function begin(t: TestContext, open: OpenTestDatabase): Promise<World> {
  const { origin, clock, stores } = await startApp(t, await open(t));
  await stores.identity.createUser({ username: "eve", password, isAdmin: false });
  const ask: World["ask"] = async (method, path, authorization, body) => {
    const reply = await fetch(`${origin}${path}`, {
      method,
      headers: {
        ...(authorization !== undefined && { authorization }),
        ...(typeof body === "string" && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body }),
    });
    const challenge = reply.headers.get("www-authenticate") ?? "";
    return { status: reply.status, challenge, text: await reply.text() };
  };
  const begun = await ask("POST", "/v2/eve/app/blobs/uploads/", eve);
  assert.equal(begun.status, 202, begun.text);
  return {
    clock,
    ask,
    async newToken(fields = {}) {
      const body = JSON.stringify({ name: "ci", ...fields });
      const made = await ask("POST", "/api/v1/me/access-tokens", eve, body);
      assert.equal(made.status, 201, made.text);
      const value = JSON.parse(made.text);
      return { id: String(value.token.id), secret: String(value.secret) };
    },
    async newBearer(authorization, actions = "pull,push") {
      const got = await ask("GET", `/token?scope=repository:eve/app:${actions}`, authorization);
      assert.equal(got.status, 200, got.text);
      return `Bearer ${String(JSON.parse(got.text).token)}`;
    },
  };
}

interface Case {
  readonly what: string;
  /** What docker is told beside 401; "" = nothing, so that it asks for other credentials. */
  readonly error?: "" | "invalid_token";
  readonly authorization: (world: World) => Promise<string> | string;
}

const refused: readonly Case[] = [
  { what: "a wrong password", authorization: () => basic("eve", "another password") },
  { what: "a password of nobody", authorization: () => basic("nobody", password) },
  {
    what: "an access token that has expired",
    authorization: async ({ clock, newToken }) => {
      const { secret } = await newToken({ expiresAtMs: clock.nowMs() + 60_000 });
      clock.move(60_000);
      return basic("eve", secret);
    },
  },
  {
    what: "an access token that was revoked",
    authorization: async ({ ask, newToken }) => {
      const { id, secret } = await newToken();
      assert.equal((await ask("DELETE", `/api/v1/me/access-tokens/${id}`, eve)).status, 204);
      return basic("eve", secret);
    },
  },
  {
    what: "an access token shown from a network that it is not for",
    authorization: async ({ newToken }) => {
      const { secret } = await newToken({ networks: ["192.0.2.0/24"] });
      return basic("eve", secret);
    },
  },
  {
    what: "a bearer token that has expired",
    error: "invalid_token",
    authorization: async ({ clock, newBearer }) => {
      const bearer = await newBearer(eve);
      clock.move(300_000 + 31_000);
      return bearer;
    },
  },
  {
    what: "a bearer token got with an access token that was revoked since",
    error: "invalid_token",
    authorization: async ({ ask, newToken, newBearer }) => {
      const { id, secret } = await newToken();
      const bearer = await newBearer(basic("eve", secret));
      assert.equal((await ask("DELETE", `/api/v1/me/access-tokens/${id}`, eve)).status, 204);
      return bearer;
    },
  },
  {
    what: "a bearer token with another signature",
    error: "invalid_token",
    authorization: async ({ newBearer }) => {
      const [header, payload] = (await newBearer(eve)).split(".");
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const signed = `${header?.slice("Bearer ".length)}.${payload}`;
      const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `Bearer ${signed}.${signature.toString("base64url")}`;
    },
  },
  {
    what: "a bearer token with other claims",
    error: "invalid_token",
    authorization: async ({ newBearer }) => {
      const [header, payload = "", signature] = (await newBearer(eve, "pull")).split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
      claims.access[0].actions = ["pull", "push"];
      return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
    },
  },
  {
    what: "a bearer token without a signature",
    error: "invalid_token",
    authorization: () => `Bearer ${unsigned({ alg: "none" })}`,
  },
  {
    what: "an oversized bearer token",
    error: "invalid_token",
    authorization: () => `Bearer ${"a".repeat(12_000)}`,
  },
  { what: "an oversized password", authorization: () => basic("eve", "p".repeat(5_000)) },
  { what: "no base64", authorization: () => "Basic %%%" },
  { what: "no colon", authorization: () => `Basic ${Buffer.from("eve").toString("base64")}` },
  { what: "a scheme that is none", authorization: () => "Digest username=eve" },
  { what: "a scheme alone", authorization: () => "Basic" },
];

eachDatabase((open) => {
  for (const { what, error = "", authorization } of refused) {
    test(`${what} is told so to docker and to people, and nothing else`, async (t) => {
      const world = await begin(t, open);
      const shown = await authorization(world);
      const docker = await world.ask("GET", "/v2/eve/app/tags/list", shown);
      assert.equal(docker.status, 401, docker.text);
      assert.equal(/error="([a-z_]+)"/.exec(docker.challenge)?.[1] ?? "", error, docker.challenge);
      assert.match(
        docker.challenge,
        /^Bearer realm="[^"]+\/token",service="[^"]+",scope="repository:eve\/app:pull"/,
      );
      const [{ code, message }] = JSON.parse(docker.text).errors;
      assert.equal(code, "UNAUTHORIZED");
      assertIsSentence(message, shown);
      const absent = await world.ask("GET", "/v2/eve/absent/tags/list", shown);
      assert.deepEqual(
        [absent.status, absent.text, absent.challenge],
        [401, docker.text, docker.challenge.replace("eve/app", "eve/absent")],
        "whether there is such a repository cannot be told",
      );
      const person = await world.ask("GET", "/api/v1/me", shown);
      assert.equal(person.status, 401, person.text);
      const problem = JSON.parse(person.text);
      assert.deepEqual([problem.status, problem.title], [401, "UNAUTHORIZED"]);
      assertIsSentence(problem.detail, shown);
      const good = await world.ask("GET", "/v2/eve/app/tags/list", eve);
      assert.notEqual(good.status, 401, "and the right one is taken still");
    });
  }

  test("what a credential is not good for is refused in the words of the protocol", async (t) => {
    const world = await begin(t, open);
    const scopes = [{ repositories: "eve/app", actions: ["pull"] }];
    const reader = basic("eve", (await world.newToken({ scopes })).secret);
    const byBasic = await world.ask("POST", "/v2/eve/app/blobs/uploads/", reader);
    assert.deepEqual([byBasic.status, byBasic.challenge], [403, ""], byBasic.text);
    assert.equal(JSON.parse(byBasic.text).errors[0].code, "DENIED");
    const narrow = await world.newBearer(reader, "pull,push");
    const byBearer = await world.ask("POST", "/v2/eve/app/blobs/uploads/", narrow);
    assert.equal(byBearer.status, 403, "no other token would help");
    const pullOnly = await world.newBearer(eve, "pull");
    const widened = await world.ask("POST", "/v2/eve/app/blobs/uploads/", pullOnly);
    assert.equal(widened.status, 401);
    assert.match(widened.challenge, /scope="repository:eve\/app:pull,push",error="insufficient_scope"/);
  });

  test("clocks that differ a little do no harm, and those that differ much end nothing early", async (t) => {
    const world = await begin(t, open);
    const bearer = await world.newBearer(eve);
    for (const [byMs, status] of [
      [-25_000, 404],
      [25_000 + 300_000 + 29_000, 404],
      [2_000, 401],
    ] as const) {
      world.clock.move(byMs);
      const answer = await world.ask("GET", "/v2/eve/app/manifests/1", bearer);
      assert.equal(answer.status, status, answer.text);
    }
  });

  test("a refresh token that was revoked cannot be shown again, nor can one be guessed", async (t) => {
    const world = await begin(t, open);
    const { id, secret } = await world.newToken();
    const query = "/token?service=entrepot&offline_token=true&account=eve&scope=repository:eve/app:pull";
    const got = await world.ask("GET", query, basic("eve", secret));
    const refreshToken = String(JSON.parse(got.text).refresh_token);
    const refresh = (token: string) => {
      const form = { grant_type: "refresh_token", refresh_token: token, service: "entrepot" };
      return world.ask("POST", "/token", undefined, new URLSearchParams(form));
    };
    assert.equal((await refresh(refreshToken)).status, 200);
    assert.equal((await world.ask("DELETE", `/api/v1/me/access-tokens/${id}`, eve)).status, 204);
    for (const token of [refreshToken, `${refreshToken.slice(0, -2)}AA`]) {
      const answer = await refresh(token);
      assert.ok(!answer.text.includes(refreshToken));
      assert.equal(answer.status, 401, answer.text);
    }
  });
});

function basic(username: string, secret: string): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
}

function unsigned(header: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part({ iss: "entrepot", aud: "entrepot", sub: "eve", uid: 1, exp: 9_999_999_999 })}.`;
}

/** For a person: no stack, nothing of what was shown. */
function assertIsSentence(text: unknown, shown: string): void {
  assert.ok(typeof text === "string" && /^[a-z].{10,200}$/.test(text), String(text));
  assert.doesNotMatch(text, /\bat .+:\d+|node_modules|Error/);
  const secret = shown.split(" ")[1] ?? "";
  assert.ok(secret.length < 4 || !text.includes(secret));
}
