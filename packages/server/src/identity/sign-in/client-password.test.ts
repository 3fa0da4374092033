import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
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
const path = "/api/v1/me/client-password";
const probe = "/v2/ada/app/probe/pull";

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await insertRepository(instance, "ada/app");
  return instance;
}

async function seal(instance: TestIdentity): Promise<string> {
  const reply = await sendJson(instance, "POST", path, ada, { password });
  assert.equal(reply.status, 200);
  return textField(await reply.json(), "secret");
}

const status = async (instance: TestIdentity, where: string, authorization: string) =>
  (await instance.fetch(where, { authorization })).status;

eachDatabase((open) => {
  test("stands in for the password on the registry, holds none, and manages nothing", async (t) => {
    const instance = await start(t, await open(t));
    const sealed = await seal(instance);
    assert.match(sealed, /^entc_/);
    assert.ok(!Buffer.from(sealed, "base64url").toString("latin1").includes(password));
    const shown = basic(administrator, sealed);
    assert.equal(await status(instance, probe, shown), 204);
    const token = bearer(await getToken(instance, "repository:ada/app:pull", shown));
    assert.equal(await status(instance, probe, token), 204);
    for (const where of ["/api/v1/me", "/api/v1/users", "/api/v1/me/access-tokens"]) {
      assert.equal(await status(instance, where, shown), 403, where);
    }
    for (const where of ["/api/v1/users", "/api/v1/me/access-tokens"]) {
      assert.equal(await status(instance, where, token), 403, where);
    }
    assert.equal((await sendJson(instance, "POST", path, shown, { password })).status, 403);
  });

  test("ends with the password, with the account, and where it was tampered with", async (t) => {
    const instance = await start(t, await open(t));
    const sealed = await seal(instance);
    const token = bearer(await getToken(instance, "repository:ada/app:pull", basic(administrator, sealed)));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    assert.equal(await status(instance, probe, basic("bob", sealed)), 401);
    assert.equal(await status(instance, probe, bearer(sealed)), 401);
    for (const text of [
      "entc_",
      "entc_x",
      sealed.slice(0, -1),
      `${sealed.slice(0, -4)}AAAA`,
      sealed.replace("v1", "v2"),
    ]) {
      assert.equal(await status(instance, probe, basic(administrator, text)), 401, text);
    }
    assert.equal(await status(instance, probe, basic(administrator, sealed)), 204);
    await instance.identity.resetAdministrator(administrator, "another horse battery");
    for (const authorization of [basic(administrator, sealed), token]) {
      assert.equal(await status(instance, probe, authorization), 401);
    }
  });

  test("is given only to whoever knows the password", async (t) => {
    const instance = await start(t, await open(t));
    assert.equal((await sendJson(instance, "POST", path, ada, { password: "a wrong one" })).status, 401);
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ada, { name: "ci" });
    const token = bearer(textField(await made.json(), "secret"));
    assert.equal((await sendJson(instance, "POST", path, token, { password: "a wrong one" })).status, 401);
  });

  test("the registry takes what its setting says, and tells what to do instead", async (t) => {
    for (const [policy, onPassword, onSealed] of [
      ["allowed", 204, 204],
      ["encrypted", 401, 204],
      ["refused", 401, 401],
    ] as const) {
      const instance = await start(t, await open(t), { passwordsOnRegistry: policy });
      const sealed = await seal(instance);
      const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ada, { name: "ci" });
      const token = textField(await made.json(), "secret");
      assert.equal(await status(instance, probe, ada), onPassword, policy);
      assert.equal(await status(instance, probe, basic(administrator, sealed)), onSealed, policy);
      assert.equal(await status(instance, probe, basic(administrator, token)), 204, policy);
      assert.equal(await status(instance, "/api/v1/me", ada), 200, policy);
      const form = (secret: string) =>
        postForm(instance, { grant_type: "password", service, username: administrator, password: secret });
      assert.equal((await form(password)).status, onPassword === 204 ? 200 : 401, policy);
      assert.equal((await form(sealed)).status, onSealed === 204 ? 200 : 401, policy);
      assert.equal((await form(token)).status, 200, policy);
      if (policy === "allowed") continue;
      const right = await (await instance.fetch(probe, { authorization: ada })).text();
      const wrong = await (
        await instance.fetch(probe, { authorization: basic(administrator, "wrong one") })
      ).text();
      assert.match(right, /log in with an access token/);
      assert.equal(wrong, right, "nor are passwords tried out here");
    }
  });
});
