import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { administrator, basic, password, sendJson, startIdentity } from "../testing/start-identity.ts";
import { statusOf } from "../testing/test-browser.ts";
import { serveDouble } from "./testing/serve-double.ts";

const ada = basic(administrator, password);
const cloud = "/api/v1/sign-in-providers/cloud";

eachDatabase((open) => {
  test("does not think a provider down because callers went away in the middle", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    // Never tells its version, and refuses every password at once.
    const { origin, asked } = await serveDouble(t, async ({ method }) =>
      method === "GET" ? new Promise(() => undefined) : { status: 401 },
    );
    const body = { kind: "keystone", settings: { url: origin, allowPlainHttp: true } };
    assert.equal(await statusOf(sendJson(instance, "PUT", cloud, ada, body)), 201);
    for (let count = 1; count <= 6; count++) {
      const leaving = new AbortController();
      const gone = fetch(`${instance.origin}${cloud}/test`, {
        method: "POST",
        headers: { authorization: ada, "content-type": "application/json" },
        body: "{}",
        signal: leaving.signal,
      }).catch(() => undefined);
      while (asked.length < count) await turn();
      leaving.abort();
      await gone;
    }
    const mine = () => instance.fetch("/api/v1/me", { authorization: basic("grace", "a wrong password") });
    assert.equal(await statusOf(mine()), 401, "it is asked, and says no");
  });

  test("thinks a provider down that does not answer in time", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const { origin, asked } = await serveDouble(t, async () => new Promise(() => undefined));
    const settings = { url: origin, allowPlainHttp: true, timeoutSeconds: 1 };
    assert.equal(await statusOf(sendJson(instance, "PUT", cloud, ada, { kind: "keystone", settings })), 201);
    const mine = (name: string) =>
      instance.fetch("/api/v1/me", { authorization: basic(name, "some password") });
    const names = ["grace", "heidi", "ivan", "judy", "karl"];
    assert.deepEqual(await Promise.all(names.map((name) => statusOf(mine(name)))), [503, 503, 503, 503, 503]);
    assert.equal(await statusOf(mine("lily")), 503);
    assert.equal(asked.length, 5, "it is not asked any more");
    assert.equal(await statusOf(instance.fetch("/api/v1/me", { authorization: ada })), 200);
  });
});
