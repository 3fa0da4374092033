import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { startApp } from "./testing/start-app.ts";

const basic = (name: string, secret: string) =>
  `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}`;
const password = "a password of theirs";

async function setUp(t: TestContext, database: Database) {
  const { origin, stores } = await startApp(t, database);
  for (const username of ["ada", "bob"]) {
    await stores.identity.createUser({ username, password, isAdmin: username === "ada" });
  }
  const send = async (method: string, path: string, authorization: string, body?: object) => {
    const reply = await fetch(`${origin}${path}`, {
      method,
      headers: { authorization, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, value: text === "" ? undefined : Object(JSON.parse(text)) };
  };
  const ada = basic("ada", password);
  const done = async (method: string, path: string, body?: object, authorization = ada) => {
    const reply = await send(method, path, authorization, body);
    assert.ok(reply.status < 300, `${method} ${path}: ${reply.status} ${JSON.stringify(reply.value)}`);
    return reply.value;
  };
  await done("POST", "/api/v1/organizations", { name: "acme" });
  await done("POST", "/api/v1/organizations/acme/repositories", { name: "acme/app" });
  const signsIn = async (name: string, secret: string) =>
    (await send("GET", "/token", basic(name, secret))).status;
  return { send, done, signsIn, ada };
}

const scoped = (repositories: string) => [{ repositories, tags: "1.*", actions: ["pull"] }];

eachDatabase((open) => {
  test("programs of a renamed organization sign in by their old names until the old name ends", async (t) => {
    const { done, signsIn } = await setUp(t, await open(t));
    const robot = await done("POST", "/api/v1/organizations/acme/robots", {
      name: "ci",
      secret: "a-secret-that-is-hard-to-guess-17",
    });
    const issuer = await done("POST", "/api/v1/organizations/acme/issuers", {
      name: "vendor",
      repositories: ["acme/**"],
      actions: ["pull"],
    });
    const issued = await done(
      "POST",
      "/api/v1/issued-credentials",
      { name: "cust" },
      `Bearer ${issuer.secret}`,
    );
    await done("POST", "/api/v1/organizations/acme/rename", { name: "apex" });
    for (const namespace of ["acme", "apex"]) {
      assert.equal(await signsIn(`${namespace}+ci`, robot.secret), 200, namespace);
      assert.equal(await signsIn(`${namespace}+vendor+cust`, issued.secret), 200, namespace);
      assert.equal(await signsIn(`${namespace}+other`, robot.secret), 401, namespace);
      assert.equal(await signsIn(`${namespace}+ci`, issued.secret), 401, namespace);
    }
    await done("DELETE", "/api/v1/reserved-names/acme");
    assert.equal(await signsIn("acme+ci", robot.secret), 401);
    assert.equal(await signsIn("apex+ci", robot.secret), 200);
    await done("POST", "/api/v1/organizations", { name: "acme" });
    assert.equal(await signsIn("acme+ci", robot.secret), 401, "the name is somebody else's");
  });

  test("scopes that name a repository as it was called before carry it as it is called now", async (t) => {
    const { send, done } = await setUp(t, await open(t));
    const { secret } = await done("POST", "/api/v1/organizations/acme/issuers", {
      name: "vendor",
      repositories: ["acme/**"],
      actions: ["pull"],
    });
    await done("POST", "/api/v1/organizations", { name: "other" });
    await done("POST", "/api/v1/organizations/other/repositories", { name: "other/hidden" });
    await done("POST", "/api/v1/repositories/other/hidden/-/rename", { name: "other/secret" });
    await done("POST", "/api/v1/organizations/acme/rename", { name: "apex" });
    const issue = (repositories: string) =>
      send("POST", "/api/v1/issued-credentials", `Bearer ${secret}`, { scopes: scoped(repositories) });
    const first = await issue("acme/app");
    assert.equal(first.status, 201, JSON.stringify(first.value));
    assert.deepEqual(first.value.credential.scopes, scoped("apex/app"));
    assert.deepEqual((await issue("acme/app/**")).value.credential.scopes, scoped("apex/app/**"));
    await done("POST", "/api/v1/repositories/apex/app/-/rename", { name: "apex/shop" });
    for (const before of ["acme/app", "apex/app"]) {
      assert.deepEqual((await issue(before)).value.credential.scopes, scoped("apex/shop"), before);
    }
    const [outside, nothing] = [await issue("other/hidden"), await issue("nowhere/x")];
    assert.equal(outside.status, 403);
    assert.equal(outside.value.detail, nothing.value.detail, "nobody learns where it leads");

    const make = async (username: string, name: string) => {
      const own = basic(username, password);
      const body = { name, scopes: scoped("acme/app") };
      return (await done("POST", "/api/v1/me/access-tokens", body, own)).token.scopes;
    };
    assert.deepEqual(await make("ada", "ci"), scoped("apex/shop"));
    assert.deepEqual(await make("bob", "ci"), scoped("acme/app"), "who may not see it is not told");
    const robot = await done("POST", "/api/v1/organizations/apex/robots", {
      name: "ci",
      scopes: scoped("apex/app"),
    });
    assert.deepEqual(robot.robot.scopes, scoped("apex/shop"));
  });
});
