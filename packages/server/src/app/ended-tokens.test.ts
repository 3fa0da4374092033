import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { startApp } from "./testing/start-app.ts";

const content = "what takes a long time to arrive";
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
const lifetimeMs = 300_000;

eachDatabase((open) => {
  test("finishes an upload with the token that began it, which has ended meanwhile, and nothing else", async (t) => {
    const { origin, clock, stores } = await startApp(t, await open(t));
    const send = (method: string, path: string, authorization: string, body?: string) =>
      fetch(new URL(path, origin), {
        method,
        headers: { authorization },
        ...(body !== undefined && { body }),
      });
    await stores.identity.createUser({ username: "eve", password: "a password of eve", isAdmin: false });
    const basic = `Basic ${Buffer.from("eve:a password of eve").toString("base64")}`;
    const newToken = async () => {
      const reply = await send("GET", "/token?scope=repository:eve/a:pull,push", basic);
      return `Bearer ${String(Reflect.get(Object(await reply.json()), "token"))}`;
    };
    const begin = async (token: string) => {
      const begun = await send("POST", "/v2/eve/a/blobs/uploads/", token);
      assert.equal(begun.status, 202, await begun.text());
      return begun.headers.get("location") ?? "";
    };
    const statusOf = async (...request: Parameters<typeof send>) => {
      const reply = await send(...request);
      await reply.arrayBuffer();
      return reply.status;
    };

    const token = await newToken();
    clock.move(1_000);
    const other = await newToken();
    const [first, second, third] = [await begin(token), await begin(token), await begin(token)];
    clock.move(lifetimeMs + 60_000);
    assert.equal(await statusOf("PATCH", first, token, content), 202);
    assert.equal(await statusOf("GET", first, token), 204);
    assert.equal(await statusOf("PUT", `${first}?digest=${digest}`, token), 201);
    // It opens nothing but that.
    assert.equal(await statusOf("POST", "/v2/eve/a/blobs/uploads/", token), 401);
    assert.equal(await statusOf("PUT", "/v2/eve/a/manifests/latest", token, "{}"), 401);
    assert.equal(await statusOf("GET", `/v2/eve/a/blobs/${digest}`, token), 401);
    assert.equal(await statusOf("DELETE", second, token), 401);
    assert.equal(await statusOf("PATCH", second.replace("eve/a", "eve/b"), token, content), 401);
    // Not even for the same person's other token.
    assert.equal(await statusOf("PATCH", second, other, content), 401);
    assert.equal(await statusOf("PATCH", second, await newToken(), content), 202);
    // Whoever may no longer push does not finish.
    await stores.identity.resetAdministrator("eve", "another password of eve");
    assert.equal(await statusOf("PATCH", third, token, content), 401);
    clock.move(86_400_000);
    assert.equal(await statusOf("PATCH", third, token, content), 401);
  });
});
