import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
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
import {
  cookieOf,
  openBrowser,
  postSignIn,
  problemOf,
  statusOf,
  type TestBrowser,
} from "../testing/test-browser.ts";
import { totpCodeAt } from "./totp.ts";

const halfMinuteMs = 30_000;

async function start(t: TestContext, database: Database, options: Parameters<typeof startIdentity>[2] = {}) {
  const instance = await startIdentity(t, database, options);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  return instance;
}

/** Sets an authenticator app up; its code of now is used up. */
async function enrol(instance: TestIdentity, browser: TestBrowser) {
  const begun: unknown = await (await browser.send("POST", "/api/v1/me/mfa/totp")).json();
  const secret = textField(begun, "secret");
  const ticket = textField(begun, "ticket");
  const code = totpCodeAt(secret, instance.clock.nowMs());
  const reply = await browser.send("POST", "/api/v1/me/mfa/totp/confirm", { ticket, code });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  const codes = field(JSON.parse(text), "recoveryCodes");
  assert.ok(Array.isArray(codes));
  return { secret, ticket, begun, recoveryCodes: codes.map(String) };
}

async function firstHalf(instance: TestIdentity, username = "bob", secret = password): Promise<string> {
  const reply = await postSignIn(instance, username, secret);
  assert.equal(reply.headers.get("set-cookie"), null, "nobody is signed in by half");
  const value: unknown = await reply.json();
  assert.equal(field(value, "mfaRequired"), true, JSON.stringify(value));
  return textField(value, "ticket");
}

function secondHalf(instance: TestIdentity, body: object): Promise<Response> {
  return instance.fetch("/api/v1/sign-in/mfa", {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
    body: JSON.stringify(body),
  });
}

async function amrOf(instance: TestIdentity, cookie: string): Promise<unknown> {
  const reply = await instance.fetch("/api/v1/session", { headers: { cookie } });
  const session = field(await reply.json(), "session");
  return field(session, "amr");
}

eachDatabase((open) => {
  test("asks for the code of an app once one is set up, and takes each code once", async (t) => {
    const instance = await start(t, await open(t));
    const browser = await openBrowser(instance, "bob");
    const { secret, begun, recoveryCodes } = await enrol(instance, browser);
    assert.match(textField(begun, "uri"), /^otpauth:\/\/totp\/127\.0\.0\.1.*:bob\?.*secret=[A-Z2-7]{32}/);
    assert.match(textField(begun, "qrSvg"), /^<svg /);
    assert.equal(new Set(recoveryCodes).size, 10);

    const code = totpCodeAt(secret, instance.clock.nowMs());
    const early = await secondHalf(instance, { ticket: await firstHalf(instance), code });
    assert.equal(early.status, 401, "the code that set the app up was used");
    await early.body?.cancel();

    instance.clock.move(halfMinuteMs);
    const next = totpCodeAt(secret, instance.clock.nowMs());
    const ticket = await firstHalf(instance);
    const reply = await secondHalf(instance, { ticket, code: next });
    assert.equal(reply.status, 200);
    assert.deepEqual(await amrOf(instance, cookieOf(reply)), ["pwd", "otp", "mfa"]);
    await reply.body?.cancel();

    const replayed = secondHalf(instance, { ticket: await firstHalf(instance), code: next });
    assert.equal(await statusOf(replayed), 401, "a code works once");
    instance.clock.move(halfMinuteMs);
    const again = totpCodeAt(secret, instance.clock.nowMs());
    assert.equal(await statusOf(secondHalf(instance, { ticket, code: again })), 401, "so does a ticket");
    const fresh = secondHalf(instance, { ticket: await firstHalf(instance), code: again });
    assert.equal(await statusOf(fresh), 200, "and the code was not wasted on it");
  });

  test("takes one of two codes sent side by side", async (t) => {
    const instance = await start(t, await open(t));
    const { secret } = await enrol(instance, await openBrowser(instance, "bob"));
    instance.clock.move(halfMinuteMs);
    const code = totpCodeAt(secret, instance.clock.nowMs());
    const tickets = [await firstHalf(instance), await firstHalf(instance), await firstHalf(instance)];
    const answers = await Promise.all(
      tickets.map((ticket) => statusOf(secondHalf(instance, { ticket, code }))),
    );
    assert.deepEqual(
      answers.toSorted((a, b) => a - b),
      [200, 401, 401],
    );
  });

  test("takes no ticket that is old, changed, meant for something else, or of a password that was changed", async (t) => {
    const instance = await start(t, await open(t));
    const browser = await openBrowser(instance, "bob");
    const enrolled = await enrol(instance, browser);
    const now = () => totpCodeAt(enrolled.secret, instance.clock.nowMs());
    instance.clock.move(halfMinuteMs);
    const ticket = await firstHalf(instance);
    const changed = `${ticket.slice(0, 60)}${ticket[60] === "A" ? "B" : "A"}${ticket.slice(61)}`;
    for (const wrong of [changed, "x", enrolled.ticket]) {
      assert.equal(await statusOf(secondHalf(instance, { ticket: wrong, code: now() })), 401);
    }
    instance.clock.move(300_000);
    assert.equal(await statusOf(secondHalf(instance, { ticket, code: now() })), 401);
    const stolen = await firstHalf(instance);
    await sendJson(instance, "PATCH", "/api/v1/users/bob", basic(administrator, password), {
      password: "a wholly new password",
    });
    assert.equal(await statusOf(secondHalf(instance, { ticket: stolen, code: now() })), 401);
    const fresh = await firstHalf(instance, "bob", "a wholly new password");
    assert.equal(await statusOf(secondHalf(instance, { ticket: fresh, code: now() })), 200);
  });

  test("takes a recovery code once, and new ones in place of the old", async (t) => {
    const instance = await start(t, await open(t));
    const { recoveryCodes } = await enrol(instance, await openBrowser(instance, "bob"));
    const [first = "", second = "", third = ""] = recoveryCodes;
    const typed = first.replaceAll("-", " ").toUpperCase();
    const reply = await secondHalf(instance, { ticket: await firstHalf(instance), recoveryCode: typed });
    assert.equal(reply.status, 200);
    assert.deepEqual(await amrOf(instance, cookieOf(reply)), ["pwd", "recovery", "mfa"]);
    const csrfToken = textField(await reply.json(), "csrfToken");
    const again = secondHalf(instance, { ticket: await firstHalf(instance), recoveryCode: first });
    assert.equal(await statusOf(again), 401);
    const both = Promise.all(
      [await firstHalf(instance), await firstHalf(instance)].map((ticket) =>
        statusOf(secondHalf(instance, { ticket, recoveryCode: second })),
      ),
    );
    assert.deepEqual(
      (await both).toSorted((a, b) => a - b),
      [200, 401],
    );

    const headers = { cookie: cookieOf(reply), "x-csrf-token": csrfToken };
    const renewed = await instance.fetch("/api/v1/me/mfa/recovery-codes", { method: "POST", headers });
    const codes = field(await renewed.json(), "recoveryCodes");
    assert.ok(Array.isArray(codes));
    const old = secondHalf(instance, { ticket: await firstHalf(instance), recoveryCode: third });
    assert.equal(await statusOf(old), 401);
    const fresh = { ticket: await firstHalf(instance), recoveryCode: String(codes[0]) };
    assert.equal(await statusOf(secondHalf(instance, fresh)), 200);
  });

  test("slows down guessing at codes", async (t) => {
    const instance = await start(t, await open(t));
    await enrol(instance, await openBrowser(instance, "bob"));
    const ticket = await firstHalf(instance);
    for (let guess = 0; guess < 10; guess += 1) {
      assert.equal(await statusOf(secondHalf(instance, { ticket, code: `00000${guess}` })), 401);
    }
    const reply = await secondHalf(instance, { ticket, code: "123456" });
    assert.equal(reply.status, 429);
    assert.ok(Number(reply.headers.get("retry-after")) > 0);
    await reply.body?.cancel();
  });

  test("wants a token from docker once there is a second factor, and ends what was got by password", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "bob/x");
    const bob = basic("bob", password);
    const browser = await openBrowser(instance, "bob");
    const made: unknown = await (
      await browser.send("POST", "/api/v1/me/access-tokens", { name: "a" })
    ).json();
    const bearerBefore = await getToken(instance, "repository:bob/x:pull", bob);
    const form = { grant_type: "password", username: "bob", password, service };
    const refresh = textField(
      await (await postForm(instance, { ...form, access_type: "offline" })).json(),
      "refresh_token",
    );
    await enrol(instance, browser);

    const refused = await instance.fetch(`/token?service=${service}`, { authorization: bob });
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /second factor: here, use an access token/);
    const wrong = await instance.fetch(`/token?service=${service}`, {
      authorization: basic("bob", "wrong password"),
    });
    assert.doesNotMatch(await wrong.text(), /second factor/, "who does not know the password learns nothing");
    assert.equal(await statusOf(instance.fetch("/v2/bob/x/probe/pull", { authorization: bob })), 401);
    assert.equal(await statusOf(instance.fetch("/api/v1/me", { authorization: bob })), 401);
    assert.equal(await statusOf(postForm(instance, form)), 401);
    assert.equal(
      await statusOf(postForm(instance, { grant_type: "refresh_token", refresh_token: refresh, service })),
      401,
    );
    const before = { authorization: bearer(bearerBefore) };
    assert.equal(await statusOf(instance.fetch("/v2/bob/x/probe/pull", before)), 401);
    const token = basic("bob", textField(made, "secret"));
    assert.equal(await statusOf(instance.fetch(`/token?service=${service}`, { authorization: token })), 200);
    assert.equal(
      await statusOf(instance.fetch("/api/v1/me/mfa/totp", { method: "DELETE", authorization: token })),
      403,
      "a token takes nobody's second factor away",
    );
  });

  test("lets an administrator take lost factors away, which ends the sessions", async (t) => {
    const instance = await start(t, await open(t));
    const browser = await openBrowser(instance, "bob");
    await enrol(instance, browser);
    const ada = basic(administrator, password);
    assert.equal(await statusOf(sendJson(instance, "DELETE", "/api/v1/users/bob/mfa", ada)), 204);
    assert.equal(await statusOf(browser.send("GET", "/api/v1/me")), 401);
    await openBrowser(instance, "bob");
    const rows = await instance.database.read
      .selectFrom("audit_entries")
      .select(["actor", "action", "target", "before"])
      .where("action", "like", "mfa.%")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      rows.map(({ actor, action }) => `${actor} ${action}`),
      ["bob mfa.totp-add", "ada mfa.reset"],
    );
    const counts = await instance.database.read.selectFrom("recovery_codes").select("code_hash").execute();
    assert.deepEqual(counts, []);
  });

  test("stores no seed and no code as it is", async (t) => {
    const instance = await start(t, await open(t));
    const { secret, recoveryCodes } = await enrol(instance, await openBrowser(instance, "bob"));
    const { read } = instance.database;
    const kept = JSON.stringify([
      await read.selectFrom("totp_seeds").selectAll().execute(),
      await read.selectFrom("recovery_codes").selectAll().execute(),
      await read.selectFrom("audit_entries").selectAll().execute(),
      instance.lines,
    ]);
    assert.ok(!kept.includes(secret));
    for (const code of recoveryCodes) {
      assert.ok(!kept.includes(code) && !kept.includes(code.replaceAll("-", "")));
    }
  });

  test("wants proof of the last minutes before something dangerous", async (t) => {
    const instance = await start(t, await open(t));
    const browser = await openBrowser(instance, administrator);
    const remove = () => browser.send("DELETE", "/api/v1/users/bob");
    instance.clock.move(600_000);
    assert.deepEqual(await problemOf(remove()), [403, "RECENT_SIGN_IN_REQUIRED"]);
    const offer: unknown = await (await browser.send("GET", "/api/v1/session/step-up")).json();
    assert.deepEqual(field(offer, "methods"), ["password"]);
    const stepUp = (body: object) => statusOf(browser.send("POST", "/api/v1/session/step-up", body));
    assert.equal(await stepUp({ password: "wrong password" }), 401);
    assert.deepEqual(await problemOf(remove()), [403, "RECENT_SIGN_IN_REQUIRED"]);
    const token = (body: object) => browser.send("POST", "/api/v1/me/access-tokens", body);
    assert.deepEqual(await problemOf(token({ name: "all" })), [403, "RECENT_SIGN_IN_REQUIRED"]);
    const scopes = [{ repositories: "acme/x", actions: ["pull"] }];
    assert.equal(await statusOf(token({ name: "some", scopes })), 201, "a limited one is less dangerous");
    assert.equal(await stepUp({ password }), 204);
    assert.equal(await statusOf(token({ name: "all" })), 201);
    const { secret } = await enrol(instance, browser);
    instance.clock.move(600_000);
    assert.equal(await stepUp({ password }), 400, "a password alone is no longer enough");
    const code = totpCodeAt(secret, instance.clock.nowMs());
    assert.equal(await stepUp({ code }), 204);
    assert.equal(await stepUp({ code }), 401);
    assert.equal(await statusOf(remove()), 204);
    const byPassword = sendJson(instance, "DELETE", "/api/v1/users/bob", basic(administrator, password));
    assert.equal(await statusOf(byPassword), 401);
  });

  test("keeps those who must have a second factor from everything but setting one up", async (t) => {
    const instance = await start(t, await open(t), { mfaRequiredOf: "administrators" });
    const browser = await openBrowser(instance, administrator);
    assert.deepEqual(await problemOf(browser.send("GET", "/api/v1/users")), [403, "MFA_REQUIRED"]);
    const byPassword = instance.fetch("/api/v1/users", { authorization: basic(administrator, password) });
    assert.deepEqual(await problemOf(byPassword), [403, "MFA_REQUIRED"]);
    assert.equal(await statusOf(browser.send("GET", "/api/v1/me")), 200);
    const token = browser.send("POST", "/api/v1/me/access-tokens", { name: "x" });
    assert.deepEqual(await problemOf(token), [403, "MFA_REQUIRED"]);
    await enrol(instance, browser);
    assert.equal(await statusOf(browser.send("GET", "/api/v1/users")), 200);
    const made = await browser.send("POST", "/api/v1/me/access-tokens", { name: "x" });
    const secret = textField(await made.json(), "secret");
    const byToken = () => instance.fetch("/api/v1/users", { authorization: bearer(secret) });
    assert.equal(await statusOf(byToken()), 200);
    assert.equal(await statusOf(browser.send("DELETE", "/api/v1/me/mfa/totp")), 204);
    assert.deepEqual(await problemOf(byToken()), [403, "MFA_REQUIRED"]);
    const bob = await openBrowser(instance, "bob");
    assert.equal(
      await statusOf(bob.send("GET", "/api/v1/me/access-tokens")),
      200,
      "of others it is not asked",
    );
  });

  test("lets an organization ask its members for a second factor", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "acme/x");
    await instance.database.transaction(async (tx) => {
      const acme = await tx
        .selectFrom("namespaces")
        .select("id")
        .where("name", "=", "acme")
        .executeTakeFirstOrThrow();
      const bob = await tx
        .selectFrom("users")
        .select("id")
        .where("username", "=", "bob")
        .executeTakeFirstOrThrow();
      const team = await tx
        .insertInto("teams")
        .values({ namespace_id: acme.id, name: "all", role: "admin", description: "", created_at_ms: 0 })
        .returning("id")
        .executeTakeFirstOrThrow();
      await tx
        .insertInto("team_members")
        .values({ team_id: team.id, user_id: bob.id, origin: "manual", added_at_ms: 0 })
        .execute();
    });
    instance.access.changed();
    const ada = basic(administrator, password);
    const require = (isRequired: boolean) =>
      statusOf(sendJson(instance, "PUT", "/api/v1/organizations/acme/mfa", ada, { isRequired }));
    const bob = await openBrowser(instance, "bob");
    const grants = () => bob.send("GET", "/api/v1/repositories/acme/x/-/grants");
    assert.equal(await statusOf(grants()), 200);
    assert.equal(await require(true), 200);
    assert.deepEqual(await problemOf(grants()), [403, "MFA_REQUIRED"]);
    const token = bob.send("POST", "/api/v1/me/access-tokens", { name: "x" });
    assert.deepEqual(await problemOf(token), [403, "MFA_REQUIRED"]);
    await enrol(instance, bob);
    assert.equal(await statusOf(grants()), 200);
    assert.equal(await require(false), 403, "ada has none herself, so she cannot act there either");
  });
});
