import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  textField,
} from "../testing/start-identity.ts";
import { cookieOf, openBrowser, postSignIn, problemOf, statusOf } from "../testing/test-browser.ts";

const ada = basic(administrator, password);
const minuteMs = 60_000;

async function start(t: TestContext, database: Database, options: Parameters<typeof startIdentity>[2] = {}) {
  const instance = await startIdentity(t, database, options);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  return instance;
}

eachDatabase((open) => {
  test("signs a browser in by password, and out", async (t) => {
    const instance = await start(t, await open(t));
    const reply = await postSignIn(instance, "bob", password);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("cache-control"), "no-store");
    const cookie = reply.headers.get("set-cookie") ?? "";
    assert.match(cookie, /^entrepot=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/);

    const browser = await openBrowser(instance, "bob");
    const me = await browser.send("GET", "/api/v1/me");
    assert.deepEqual(await me.json(), { username: "bob", isAdmin: false, credential: "session" });
    const session = await (await browser.send("GET", "/api/v1/session")).json();
    assert.equal(textField(session, "csrfToken"), browser.csrfToken);
    assert.equal(field(field(session, "session"), "isCurrent"), true);
    assert.equal(field(field(session, "session"), "method"), "password");

    const before = browser.cookie;
    const out = await browser.send("DELETE", "/api/v1/session");
    assert.equal(out.status, 204);
    assert.match(out.headers.get("set-cookie") ?? "", /^entrepot=; Path=\/; Max-Age=0;/);
    assert.equal(await statusOf(instance.fetch("/api/v1/me", { headers: { cookie: before } })), 401);
    assert.equal(await statusOf(browser.send("DELETE", "/api/v1/session")), 204, "may be repeated");
  });

  test("answers a wrong password, an unknown name and an access token alike, and starts nothing", async (t) => {
    const instance = await start(t, await open(t));
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", basic("bob", password), {
      name: "ci",
    });
    const token = textField(await made.json(), "secret");
    const answers = new Set<string>();
    for (const [name, secret] of [
      ["bob", "wrong password"],
      ["nobody", password],
      ["bob", token],
      ["../bob", password],
    ] as const) {
      const reply = await postSignIn(instance, name, secret);
      assert.equal(reply.status, 401);
      assert.equal(reply.headers.get("set-cookie"), null);
      answers.add(textField(await reply.json(), "detail"));
    }
    assert.equal(answers.size, 1);
    const rows = await instance.database.read.selectFrom("sessions").select("id").execute();
    assert.deepEqual(rows, []);
  });

  test("never takes over a session that the browser had before the sign-in", async (t) => {
    const instance = await start(t, await open(t));
    const mallory = await openBrowser(instance, "bob");
    // Somebody has planted their own cookie in the victim's browser.
    const reply = await postSignIn(instance, administrator, password, { cookie: mallory.cookie });
    assert.notEqual(cookieOf(reply), mallory.cookie);
    await reply.body?.cancel();
    assert.equal(await statusOf(mallory.send("GET", "/api/v1/me")), 401, "the planted one has ended");
    const made = await postSignIn(instance, administrator, password, {
      cookie: `entrepot=${"A".repeat(43)}`,
    });
    await made.body?.cancel();
    assert.notEqual(cookieOf(made), `entrepot=${"A".repeat(43)}`);
  });

  test("counts a cookie on the management API only", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "acme/x");
    const browser = await openBrowser(instance, administrator);
    const headers = { cookie: browser.cookie };
    assert.equal(await statusOf(instance.fetch("/v2/acme/x/probe/pull", { headers })), 401);
    const token = await instance.fetch("/token?scope=repository:acme/x:pull", { headers });
    const text = textField(await token.json(), "token");
    assert.equal(
      await statusOf(instance.fetch("/v2/acme/x/probe/pull", { authorization: bearer(text) })),
      401,
      "it is nobody's token",
    );
  });

  test("takes changes only from a page of its own that has the session's token", async (t) => {
    const instance = await start(t, await open(t));
    const browser = await openBrowser(instance, "bob");
    const other = await openBrowser(instance, "bob");
    const post = (headers: Record<string, string>) =>
      problemOf(browser.send("POST", "/api/v1/me/access-tokens", { name: "x" }, headers));
    const refused = [403, "CROSS_SITE"];
    assert.deepEqual(await post({ "x-csrf-token": "" }), refused);
    assert.deepEqual(await post({ "x-csrf-token": other.csrfToken }), refused, "another session's");
    assert.deepEqual(await post({ "sec-fetch-site": "cross-site" }), refused);
    assert.deepEqual(await post({ "sec-fetch-site": "same-site" }), refused, "a sibling domain");
    assert.deepEqual(await post({ "sec-fetch-site": "none" }), refused);
    const byOrigin = (origin: string) =>
      instance.fetch("/api/v1/me/access-tokens", {
        method: "POST",
        headers: {
          cookie: browser.cookie,
          origin,
          "x-csrf-token": browser.csrfToken,
          "content-type": "application/json",
        },
        body: JSON.stringify({ name: "y" }),
      });
    assert.deepEqual(await problemOf(byOrigin("https://evil.example")), refused);
    assert.deepEqual(await problemOf(byOrigin("null")), refused);
    const rows = await instance.database.read.selectFrom("access_tokens").select("id").execute();
    assert.deepEqual(rows, [], "nothing was made");
    assert.equal(await statusOf(byOrigin(instance.origin)), 201);
    assert.equal(await statusOf(browser.send("POST", "/api/v1/me/access-tokens", { name: "z" })), 201);
  });

  test("does not sign anybody in for a page of another site", async (t) => {
    const instance = await start(t, await open(t));
    const reply = postSignIn(instance, "bob", password, { "sec-fetch-site": "cross-site" });
    assert.deepEqual(await problemOf(reply), [403, "CROSS_SITE"]);
    const form = await instance.fetch("/api/v1/sign-in", {
      method: "POST",
      headers: { origin: "https://evil.example" },
      body: new URLSearchParams({ username: "bob", password }),
    });
    assert.equal(form.status, 403);
    assert.equal(form.headers.get("set-cookie"), null);
    await form.body?.cancel();
  });

  test("ends a session after its life, and when nobody has used it", async (t) => {
    const instance = await start(t, await open(t));
    const used = await openBrowser(instance, "bob");
    const idle = await openBrowser(instance, "bob");
    for (let hour = 0; hour < 9; hour += 1) {
      assert.equal(await statusOf(used.send("GET", "/api/v1/me")), 200);
      instance.clock.move(60 * minuteMs - 1);
    }
    assert.equal(await statusOf(idle.send("GET", "/api/v1/me")), 401);
    assert.equal(await statusOf(used.send("GET", "/api/v1/me")), 200);
    instance.clock.move(7 * 24 * 60 * minuteMs);
    assert.equal(await statusOf(used.send("GET", "/api/v1/me")), 401);
    await instance.identity.prune();
    const rows = await instance.database.read.selectFrom("sessions").select("id").execute();
    assert.deepEqual(rows, []);
  });

  test("lists sessions to their owner and to administrators, who end them", async (t) => {
    const instance = await start(t, await open(t));
    const first = await openBrowser(instance, "bob");
    const second = await openBrowser(instance, "bob");
    const list = async () => {
      const value: unknown = await (await first.send("GET", "/api/v1/me/sessions")).json();
      const sessions = field(value, "sessions");
      assert.ok(Array.isArray(sessions));
      return sessions.map((one: unknown) => ({
        id: String(field(one, "id")),
        isCurrent: field(one, "isCurrent"),
      }));
    };
    const [newest, oldest] = await list();
    assert.deepEqual([newest?.isCurrent, oldest?.isCurrent], [false, true]);
    assert.equal(await statusOf(first.send("DELETE", `/api/v1/me/sessions/${newest?.id}`)), 204);
    assert.equal(await statusOf(second.send("GET", "/api/v1/me")), 401);
    assert.equal(await statusOf(first.send("DELETE", `/api/v1/me/sessions/${newest?.id}`)), 404);

    const eve = await openBrowser(instance, administrator);
    assert.equal(
      await statusOf(eve.send("DELETE", `/api/v1/me/sessions/${oldest?.id}`)),
      404,
      "not hers, and no hint of it",
    );
    assert.equal(await statusOf(first.send("GET", "/api/v1/users/ada/sessions")), 403);
    const others: unknown = await (await eve.send("GET", "/api/v1/users/bob/sessions")).json();
    assert.ok(!JSON.stringify(others).includes("hash"));
    assert.equal(await statusOf(eve.send("DELETE", `/api/v1/users/bob/sessions/${oldest?.id}`)), 204);
    assert.equal(await statusOf(first.send("GET", "/api/v1/me")), 401);

    const third = await openBrowser(instance, "bob");
    await openBrowser(instance, "bob");
    assert.deepEqual(await (await third.send("DELETE", "/api/v1/me/sessions")).json(), { ended: 1 });
    assert.equal(await statusOf(third.send("GET", "/api/v1/me")), 200);
    assert.deepEqual(await (await eve.send("DELETE", "/api/v1/users/bob/sessions")).json(), { ended: 1 });
    assert.equal(await statusOf(third.send("GET", "/api/v1/me")), 401);
    const audit = await instance.database.read
      .selectFrom("audit_entries")
      .select(["action", "actor"])
      .execute();
    const actions = new Set(audit.map(({ action, actor }) => `${action} ${actor}`));
    for (const action of ["session.start bob", "session.end bob", "session.end ada", "session.end-all ada"]) {
      assert.ok(actions.has(action), action);
    }
  });

  test("ends sessions with a new password, and when the user is disabled or deleted, on every instance", async (t) => {
    const url = await open.url(t);
    const instance = await start(t, await open(t, { url }));
    const { clock } = instance;
    const second = await startIdentity(t, await open(t, { url }), { clock });
    for (const [method, body] of [
      ["PATCH", { password: "a wholly new password" }],
      ["PATCH", { isDisabled: true }],
      ["DELETE", undefined],
    ] as const) {
      await sendJson(instance, "PATCH", "/api/v1/users/bob", ada, { password, isDisabled: false });
      clock.move(1_000);
      const browser = await openBrowser(instance, "bob");
      const elsewhere = { headers: { cookie: browser.cookie } };
      assert.equal(await statusOf(second.fetch("/api/v1/me", elsewhere)), 200);
      const reply = await sendJson(instance, method, "/api/v1/users/bob", ada, body);
      assert.ok(reply.ok, `${method} ${reply.status}`);
      await reply.body?.cancel();
      assert.equal(await statusOf(browser.send("GET", "/api/v1/me")), 401, "at once where it happened");
      clock.move(1_000);
      assert.equal(await statusOf(second.fetch("/api/v1/me", elsewhere)), 401, "within a second elsewhere");
    }
  });

  test("sets a cookie that only TLS carries, and none on plain http from elsewhere", async (t) => {
    const instance = await start(t, await open(t), { trustProxy: true });
    const behind = { "x-forwarded-proto": "https", "x-forwarded-host": "registry.example" };
    const reply = await postSignIn(instance, "bob", password, behind);
    const cookie = reply.headers.get("set-cookie") ?? "";
    assert.match(cookie, /^__Host-entrepot=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
    const me = (headers: Record<string, string>) => statusOf(instance.fetch("/api/v1/me", { headers }));
    assert.equal(await me({ ...behind, cookie: cookieOf(reply) }), 200);
    const plainName = cookieOf(reply).replace("__Host-", "");
    assert.equal(await me({ ...behind, cookie: plainName }), 401, "a name that any sibling could set");
    assert.equal(await me({ ...behind, cookie: `${cookieOf(reply)}; ${cookieOf(reply)}` }), 401);
    const open401 = await postSignIn(instance, "bob", password, { "x-forwarded-host": "registry.example" });
    assert.equal(open401.status, 400);
    assert.equal(open401.headers.get("set-cookie"), null);
    await open401.body?.cancel();
  });

  test("keeps the fifty sessions of a user that were used last", async (t) => {
    const instance = await start(t, await open(t));
    const first = await openBrowser(instance, "bob");
    for (let index = 0; index < 50; index += 1) {
      instance.clock.move(1_000);
      await openBrowser(instance, "bob");
    }
    assert.equal(await statusOf(first.send("GET", "/api/v1/me")), 401);
    const rows = await instance.database.read.selectFrom("sessions").select("id").execute();
    assert.equal(rows.length, 50);
  });
});
