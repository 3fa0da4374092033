import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eachDatabase, type OpenTestDatabase } from "../storage/database/testing/each-database.ts";
import { startApp } from "./testing/start-app.ts";

const password = "correct-horse-battery";

async function begin(t: TestContext, open: OpenTestDatabase) {
  const { origin, clock, stores } = await startApp(t, await open(t));
  await stores.identity.createUser({ username: "olga", password, isAdmin: true });
  const post = (path: string, body: object, headers: Readonly<Record<string, string>>) =>
    fetch(`${origin}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const signedIn = await post("/api/v1/sign-in", { username: "olga", password }, {});
  assert.equal(signedIn.status, 200);
  const { csrfToken } = (await signedIn.json()) as { readonly csrfToken: string }; // as: the reply's shape
  const cookie = (signedIn.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  const session = { cookie, "x-csrf-token": csrfToken };
  const basic = { authorization: `Basic ${Buffer.from(`olga:${password}`).toString("base64")}` };
  const codeOf = async (path: string, body: object, headers: Readonly<Record<string, string>> = session) => {
    const reply = await post(path, body, headers);
    const { title } = (await reply.json()) as { readonly title?: string }; // as: a problem has one
    return reply.status < 300 ? reply.status : title;
  };
  return { clock, basic, codeOf };
}

/** What changes content and is asked for by a body: to look, and to do it. */
const requests = [
  { path: "/api/v1/verifications", look: { quick: true }, act: { quick: true, repair: true } },
  { path: "/api/v1/garbage-collection/strays", look: { dryRun: true }, act: { dryRun: false } },
] as const;

eachDatabase((open) => {
  for (const { path, look, act } of requests) {
    test(`${path} changes content only for whoever has proved lately that the session is theirs`, async (t) => {
      const { clock, basic, codeOf } = await begin(t, open);
      assert.ok(Number(await codeOf(path, act)) < 300, "fresh");
      clock.move(11 * 60_000);
      assert.equal(await codeOf(path, act), "RECENT_SIGN_IN_REQUIRED");
      assert.ok(Number(await codeOf(path, look)) < 300, "to look is never dangerous");
      assert.ok(Number(await codeOf(path, act, basic)) < 300, "a password proves it each time");
    });
  }
});
