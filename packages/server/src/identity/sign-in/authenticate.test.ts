import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  getToken,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";
import { parseBasic } from "./authenticate.ts";

const encode = (text: string) => Buffer.from(text).toString("base64");
const wrongSecret = `entp_${"A".repeat(43)}`;

async function newSecret(instance: TestIdentity, more: object = {}): Promise<string> {
  const reply = await sendJson(instance, "POST", "/api/v1/me/access-tokens", basic(administrator, password), {
    name: "ci",
    ...more,
  });
  assert.equal(reply.status, 201);
  return textField(await reply.json(), "secret");
}

test("splits a Basic credential at its first colon (RFC 7617)", () => {
  assert.deepEqual(parseBasic(encode("ada:a:b")), { username: "ada", secret: "a:b" });
  assert.deepEqual(parseBasic(encode("ada:")), { username: "ada", secret: "" });
  assert.deepEqual(parseBasic(encode(":x")), { username: "", secret: "x" });
  assert.deepEqual(parseBasic(encode("ada:pässwörd")), { username: "ada", secret: "pässwörd" });
  for (const bad of ["", "===", "a b", encode("no colon"), "%%%", "ä"]) {
    assert.throws(() => parseBasic(bad), { code: "UNAUTHORIZED" }, bad);
  }
});

eachDatabase((open) => {
  test("takes a password, an access token in its place, an access token alone and a bearer token", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const secret = await newSecret(instance);
    const token = await getToken(instance, "", basic(administrator, password));
    const credentials = [
      [basic(administrator, password), "password"],
      [basic(administrator, secret), "access-token"],
      [bearer(secret), "access-token"],
      [bearer(token), "bearer-token"],
      [bearer(token).replace("Bearer", "bEARER"), "bearer-token"],
    ] as const;
    for (const [authorization, credential] of credentials) {
      const reply = await instance.fetch("/api/v1/me", { authorization });
      assert.equal(reply.status, 200);
      const value: unknown = await reply.json();
      assert.equal(field(value, "credential"), credential);
      assert.equal(field(value, "username"), administrator);
    }
  });

  test("refuses what is malformed, unknown, somebody else's or too long, each with a sentence and a challenge", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const secret = await newSecret(instance);
    const token = await getToken(instance, "", basic(administrator, password));
    const [head = "", body = "", signature = ""] = token.split(".");
    const refused = [
      "Basic",
      "Basic ",
      "Basic !!!",
      `Basic ${encode("no colon")}`,
      `Basic ${encode("ada:x")} more`,
      "Digest username=ada",
      "Bearer",
      "Bearer .",
      "Bearer ..",
      "Bearer a.b.c",
      `Bearer ${"x".repeat(9_000)}`,
      `Basic ${encode(`ada:${"x".repeat(7_000)}`)}`,
      basic(administrator, "wrong password"),
      basic(administrator, ""),
      basic("nobody", password),
      basic("", ""),
      basic("a\0b", "x"),
      basic("ADA", password),
      basic("bob", secret),
      basic(administrator, wrongSecret),
      bearer(wrongSecret),
      bearer("entp_short"),
      bearer(`${secret}x`),
      bearer(`${head}.${body}.${signature.slice(0, -4)}AAAA`),
      bearer(`${head}.${body.slice(0, -2)}xx.${signature}`),
      bearer(`${encode('{"alg":"none","typ":"JWT"}').replaceAll("=", "")}.${body}.`),
    ];
    for (const authorization of refused) {
      for (const path of ["/api/v1/me", "/v2/ada/x/probe/pull"]) {
        const reply = await instance.fetch(path, { authorization });
        const text = await reply.text();
        assert.equal(reply.status, 401, `${authorization.slice(0, 80)} ${text}`);
        assert.match(reply.headers.get("www-authenticate") ?? "", /^Bearer realm="/);
        assert.match(text, /[a-z]{3,} [a-z]{2,}/, "a sentence");
      }
    }
    const unscathed = await instance.fetch("/api/v1/me", { authorization: basic(administrator, password) });
    assert.equal(unscathed.status, 200);
  });

  test("slows down guessing from one address, whatever it sends side by side, and the right password with it", async (t) => {
    const instance = await startIdentity(t, await open(t), { trustProxy: true });
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const from = (address: string, secret: string) =>
      instance
        .fetch("/token", {
          authorization: basic(administrator, secret),
          headers: { "x-forwarded-for": address },
        })
        .then((reply) => ({ status: reply.status, after: reply.headers.get("retry-after") }));
    const guesses = await Promise.all(
      Array.from({ length: 30 }, (_, index) => from("192.0.2.1", `guess ${index}`)),
    );
    assert.equal(guesses.filter(({ status }) => status === 401).length, 10);
    assert.equal(guesses.filter(({ status }) => status === 429).length, 20);
    assert.deepEqual(await from("192.0.2.1", password), { status: 429, after: "60" });
    assert.equal((await from("192.0.2.2", password)).status, 200, "nobody elsewhere is locked out");
    instance.clock.move(60_000);
    assert.equal((await from("192.0.2.1", password)).status, 200);
  });

  test("does not count wrong access tokens, which nobody can guess", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    for (let index = 0; index < 12; index++) {
      const wrong = `entp_${String(index).padStart(43, "A")}`;
      assert.equal((await instance.fetch("/token", { authorization: bearer(wrong) })).status, 401);
      assert.equal(
        (await instance.fetch("/token", { authorization: basic(administrator, wrong) })).status,
        401,
      );
    }
    assert.equal(
      (await instance.fetch("/token", { authorization: basic(administrator, password) })).status,
      200,
    );
  });

  test("tells no secret in any answer or log line", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const secret = await newSecret(instance);
    const token = await getToken(instance, "repository:ada/x:pull", basic(administrator, password));
    const refresh = textField(
      await (
        await instance.fetch("/token?offline_token=true", { authorization: basic(administrator, password) })
      ).json(),
      "refresh_token",
    );
    const secrets = [password, "hunter2 hunter2", secret, wrongSecret, token, refresh];
    const answers: string[] = [];
    const send = async (reply: Promise<Response>) => answers.push(await (await reply).text());
    for (const each of secrets) {
      for (const name of [administrator, "nobody"]) {
        const authorization = basic(name, `${each}x`);
        await send(instance.fetch("/api/v1/me", { authorization }));
        const form = { grant_type: "password", username: name, password: `${each}x` };
        await send(instance.fetch("/token", { method: "POST", body: new URLSearchParams(form) }));
      }
      await send(instance.fetch("/v2/ada/x/probe/pull", { authorization: bearer(`${each}x`) }));
      const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: `${each}x` });
      await send(instance.fetch("/token", { method: "POST", body }));
      await send(
        sendJson(instance, "POST", "/api/v1/users", basic(administrator, password), {
          username: "BAD NAME",
          password: each,
        }),
      );
      await send(
        sendJson(instance, "POST", "/api/v1/users", basic(administrator, password), {
          username: "carol",
          password: [each],
        }),
      );
      await send(
        sendJson(instance, "PATCH", "/api/v1/users/nobody", basic(administrator, password), {
          password: each,
        }),
      );
      await send(instance.fetch("/api/v1/me/access-tokens", { authorization: bearer(secret) }));
    }
    const logged = JSON.stringify(instance.lines, (_key, value: unknown) =>
      value instanceof Error ? { message: value.message, stack: value.stack } : value,
    );
    assert.ok(instance.lines.length >= answers.length, "there is a log to look at");
    assert.ok(answers.length > 40);
    for (const each of secrets) {
      for (const text of [logged, ...answers]) assert.ok(!text.includes(each), `${each} in ${text}`);
      assert.ok(!logged.includes(encode(`${administrator}:${each}`).slice(0, 20)));
    }
  });
});
