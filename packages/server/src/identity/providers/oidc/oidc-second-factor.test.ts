import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { bumpAccessVersion } from "../../../access/access-version-store.ts";
import type { Database } from "../../../storage/database/database.ts";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import { createMovableClock } from "../../testing/movable-clock.ts";
import { administrator, basic, field, password, sendJson, textField } from "../../testing/start-identity.ts";
import { openRedirectBrowser, type RedirectBrowser } from "../testing/redirect-browser.ts";
import { type Lie, startLyingProvider } from "../testing/start-lying-provider.ts";

const ada = basic(administrator, password);
/** Tokens are checked by the library, which has a clock of its own. */
const nowSeconds = () => Math.floor(new Date().getTime() / 1_000);

async function setUp(t: TestContext, database: Database, settings: object) {
  const world = await startLyingProvider(
    t,
    database,
    { kind: "oidc", settings },
    { clock: createMovableClock(new Date().getTime()) },
  );
  const { instance } = world;
  const send = async (browser: RedirectBrowser, method: string, path: string, body?: object) => {
    const cookie = browser.cookies(instance.origin);
    const own = { cookie, "sec-fetch-site": "same-origin" };
    const session: unknown = await (await instance.fetch("/api/v1/session", { headers: own })).json();
    return instance.fetch(path, {
      method,
      headers: {
        ...own,
        "content-type": "application/json",
        ...(method === "GET" ? {} : { "x-csrf-token": textField(session, "csrfToken") }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };
  /** Keeps the cookie that a reply sets, as the browser would. */
  const beginStepUp = async (browser: RedirectBrowser) => {
    const reply = await send(browser, "POST", "/api/v1/session/step-up/provider", { returnTo: "/settings" });
    const text = await reply.text();
    if (reply.status !== 200) return { status: reply.status, location: undefined, text };
    for (const line of reply.headers.getSetCookie()) browser.keep(instance.origin, line);
    return { status: 200, location: new URL(textField(JSON.parse(text), "address")), text };
  };
  const stepUp = async (browser: RedirectBrowser, lie: Lie) => {
    const { location, text } = await beginStepUp(browser);
    assert.ok(location !== undefined, text);
    assert.equal(location.searchParams.get("prompt"), "login");
    assert.equal(location.searchParams.get("max_age"), "0");
    return world.comeBack(browser, location, lie);
  };
  const methods = async (browser: RedirectBrowser) =>
    field(await (await send(browser, "GET", "/api/v1/session/step-up")).json(), "methods");
  return { ...world, send, beginStepUp, stepUp, methods };
}

eachDatabase((open) => {
  test("what the provider's settings name counts as a second factor, and nothing else then", async (t) => {
    const { instance, attempt } = await setUp(t, await open(t), {
      secondFactor: { acr: ["urn:corp:gold"], amr: ["yubi"] },
    });
    const said: readonly Lie["claims"][] = [
      {},
      // "mfa" is not named here.
      { acr: "urn:corp:silver", amr: ["pwd", "mfa"] },
      // Each counts where it belongs only.
      { acr: "yubi", amr: ["urn:corp:gold"] },
      { acr: "urn:corp:gold" },
      { amr: ["pwd", "yubi"] },
    ];
    for (const claims of said) assert.equal((await attempt({ claims: claims ?? {} })).status, 303);
    const rows = await instance.database.read
      .selectFrom("sessions")
      .select("mfa_at_ms")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      rows.map((row) => row.mfa_at_ms !== null),
      [false, false, false, true, true],
    );
  });

  test("an organization's rule is satisfied by the provider's second factor", async (t) => {
    const { instance, attempt, send } = await setUp(t, await open(t), { secondFactor: { acr: ["gold"] } });
    const browser = openRedirectBrowser();
    await attempt({ claims: { acr: "silver" } }, browser);
    assert.equal((await send(browser, "POST", "/api/v1/organizations", { name: "acme" })).status, 201);
    const path = "/api/v1/organizations/acme/mfa";
    const required = await sendJson(instance, "PUT", path, ada, { isRequired: true });
    assert.ok(required.status < 300, await required.text());
    const change = () => send(browser, "PATCH", "/api/v1/organizations/acme", { description: "x" });
    const refused = await change();
    assert.equal(textField(await refused.json(), "title"), "MFA_REQUIRED");
    await attempt({ claims: { acr: "gold" } }, browser);
    assert.equal((await change()).status, 200);
  });

  test("a session is stepped up at its provider, by the same person asked anew, and by nobody else", async (t) => {
    const { instance, attempt, send, stepUp, methods } = await setUp(t, await open(t), {
      secondFactor: { acr: ["gold"] },
    });
    const browser = openRedirectBrowser();
    await attempt({}, browser);
    assert.deepEqual(await methods(browser), ["provider"]);
    const link = () => send(browser, "POST", "/api/v1/me/identities", { provider: "liar" });
    assert.equal((await link()).status, 200, "just signed in");
    instance.clock.move(3_600_000);
    const refused = await link();
    assert.equal(textField(await refused.json(), "title"), "RECENT_SIGN_IN_REQUIRED");
    const anHourOn = () => ({ auth_time: nowSeconds() + 3_600 });
    for (const [claims, why] of [
      [{}, "does not say when"],
      [{ auth_time: nowSeconds() }, "remembers them from an hour ago"],
      [{ ...anHourOn(), sub: "43", email: "eve@corp.example" }, "somebody else"],
    ] as const) {
      const reply = await stepUp(browser, { claims });
      assert.equal(reply.status, 403, why);
      assert.equal((await link()).status, 403, why);
    }
    assert.equal(
      (await instance.database.read.selectFrom("users").selectAll().execute()).length,
      2,
      "nobody new",
    );
    const done = await stepUp(browser, { claims: { ...anHourOn(), acr: "gold" } });
    assert.equal(done.status, 303, await done.text());
    assert.equal(done.headers.get("location"), "/settings");
    assert.equal((await link()).status, 200);
    const session = await instance.database.read
      .selectFrom("sessions")
      .select("mfa_at_ms")
      .executeTakeFirst();
    assert.ok(session?.mfa_at_ms, "with the second factor that it says");
    const audit = await instance.database.read
      .selectFrom("audit_entries")
      .select(["actor", "detail"])
      .where("action", "=", "session.step-up")
      .execute();
    assert.equal(audit.length, 1);
    assert.match(audit[0]?.detail ?? "", /oidc:liar/);
  });

  test("whoever has a factor or a session of ours is not sent to a provider, and an ended session is none", async (t) => {
    const { instance, attempt, beginStepUp, comeBack, methods } = await setUp(t, await open(t), {});
    const browser = openRedirectBrowser();
    await attempt({}, browser);
    const { location } = await beginStepUp(browser);
    assert.ok(location !== undefined);
    const { id } = await instance.database.read
      .selectFrom("users")
      .select("id")
      .where("username", "!=", administrator)
      .executeTakeFirstOrThrow();
    await instance.database.transaction((tx) =>
      tx.deleteFrom("sessions").where("user_id", "=", id).execute(),
    );
    const claims = { auth_time: nowSeconds() };
    assert.equal((await comeBack(browser, location, { claims })).status, 401);
    await attempt({}, browser);
    await instance.database.transaction(async (tx) => {
      await bumpAccessVersion(tx);
      await tx
        .insertInto("totp_seeds")
        .values({ user_id: id, seed: "sealed", last_counter: 0, created_at_ms: 0, last_used_at_ms: null })
        .execute();
    });
    instance.access.changed();
    assert.notDeepEqual(await methods(browser), ["provider"]);
    assert.equal((await beginStepUp(browser)).status, 400);
  });
});
