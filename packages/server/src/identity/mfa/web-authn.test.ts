import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { chromium, type Page } from "playwright-core";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { field, password, startIdentity, type TestIdentity, textField } from "../testing/start-identity.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => existsSync(path),
);
const skip = executablePath === undefined ? "NO CHROMIUM HERE: security keys are not tested" : false;

/** A page of the registry in a real browser, with a security key that is touched at once. */
async function openPage(t: TestContext, instance: TestIdentity): Promise<Page> {
  const browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ["--no-sandbox"],
  });
  t.after(() => browser.close());
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "usb",
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  // A secure context, with a name that a key can belong to.
  await page.goto(`${instance.origin.replace("127.0.0.1", "localhost")}/api/v1/me`);
  return page;
}

/** What the page's script sends, and what it gets. */
async function send(page: Page, method: string, path: string, body?: unknown, csrfToken = "") {
  return page.evaluate(
    async (request) => {
      const reply = await fetch(request.path, {
        method: request.method,
        headers: {
          "x-csrf-token": request.csrfToken,
          ...(request.body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      const text = await reply.text();
      return { status: reply.status, value: text === "" ? undefined : (JSON.parse(text) as unknown) };
    },
    { method, path, body, csrfToken },
  );
}

async function signIn(page: Page) {
  const { status, value } = await send(page, "POST", "/api/v1/sign-in", { username: "bob", password });
  assert.equal(status, 200, JSON.stringify(value));
  return value;
}

/** `navigator.credentials.create`; the name of the error when the browser refuses. As text: it is the browser's code, not this program's. */
function create(page: Page, options: unknown): Promise<unknown> {
  return page.evaluate(`(async () => {
    try {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(${JSON.stringify(options)});
      return (await navigator.credentials.create({ publicKey })).toJSON();
    } catch (error) {
      return error.name;
    }
  })()`);
}

/** `navigator.credentials.get`. */
function get(page: Page, options: unknown): Promise<unknown> {
  return page.evaluate(`(async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify(options)});
    return (await navigator.credentials.get({ publicKey })).toJSON();
  })()`);
}

/** Registers the key of the page's browser; gives the token for changes. */
async function register(page: Page): Promise<string> {
  const csrfToken = textField(await signIn(page), "csrfToken");
  const keys = "/api/v1/me/mfa/security-keys";
  const { value: begun } = await send(page, "POST", keys, undefined, csrfToken);
  const response = await create(page, field(begun, "options"));
  const body = { ticket: textField(begun, "ticket"), name: "blue key", response };
  const confirmed = await send(page, "POST", `${keys}/confirm`, body, csrfToken);
  assert.equal(confirmed.status, 200, JSON.stringify(confirmed.value));
  const codes = field(confirmed.value, "recoveryCodes");
  assert.ok(Array.isArray(codes) && codes.length === 10);
  const again = await send(page, "POST", `${keys}/confirm`, { ...body, name: "other" }, csrfToken);
  assert.equal(again.status, 401, "the ticket is used up");
  const { value: more } = await send(page, "POST", keys, undefined, csrfToken);
  assert.equal(await create(page, field(more, "options")), "InvalidStateError", "it has this key already");
  return csrfToken;
}

async function start(t: TestContext, database: Database) {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  const page = await openPage(t, instance);
  return { instance, page, csrfToken: await register(page) };
}

eachDatabase((open) => {
  test("signs in with a security key in a real browser, each signature once", { skip }, async (t) => {
    const { page, csrfToken } = await start(t, await open(t));
    assert.equal((await send(page, "DELETE", "/api/v1/session", undefined, csrfToken)).status, 204);
    const asked = await signIn(page);
    assert.deepEqual(field(asked, "methods"), ["security-key", "recovery-code"]);
    const securityKey = await get(page, field(asked, "securityKeyOptions"));
    const body = { ticket: textField(asked, "ticket"), securityKey };
    const mfa = "/api/v1/sign-in/mfa";
    const signed = await send(page, "POST", mfa, body);
    assert.equal(signed.status, 200, JSON.stringify(signed.value));
    const { value: session } = await send(page, "GET", "/api/v1/session");
    assert.deepEqual(field(field(session, "session"), "amr"), ["pwd", "hwk", "mfa"]);

    assert.equal((await send(page, "POST", mfa, body)).status, 401, "sent again as it was");
    const other = { ticket: textField(await signIn(page), "ticket"), securityKey };
    assert.equal((await send(page, "POST", mfa, other)).status, 401, "it signed another challenge");
  });

  test("refuses a key that counts back, as a copy would, and one that was removed", { skip }, async (t) => {
    const { instance, page } = await start(t, await open(t));
    await instance.database.transaction((tx) =>
      tx.updateTable("security_keys").set({ counter: 1_000_000 }).execute(),
    );
    const attempt = async () => {
      const asked = await signIn(page);
      const securityKey = await get(page, field(asked, "securityKeyOptions"));
      const body = { ticket: textField(asked, "ticket"), securityKey };
      return send(page, "POST", "/api/v1/sign-in/mfa", body);
    };
    assert.equal((await attempt()).status, 401);
    await instance.database.transaction((tx) =>
      tx.updateTable("security_keys").set({ counter: 0 }).execute(),
    );
    const { status, value } = await attempt();
    assert.equal(status, 200);
    const csrfToken = textField(value, "csrfToken");
    const { value: listed } = await send(page, "GET", "/api/v1/me/mfa");
    const [key] = field(listed, "securityKeys") as readonly unknown[]; // as: the next line fails otherwise
    assert.equal(field(key, "name"), "blue key");
    const path = `/api/v1/me/mfa/security-keys/${String(field(key, "id"))}`;
    assert.equal((await send(page, "DELETE", path, undefined, csrfToken)).status, 204);
    assert.equal(field(await signIn(page), "mfaRequired"), false, "the last factor is gone");
  });

  test("proves with a security key that a session is one's own", { skip }, async (t) => {
    const { instance, page, csrfToken } = await start(t, await open(t));
    instance.clock.move(600_000);
    const renew = () => send(page, "POST", "/api/v1/me/mfa/recovery-codes", undefined, csrfToken);
    assert.equal(textField((await renew()).value, "title"), "RECENT_SIGN_IN_REQUIRED");
    const { value: offer } = await send(page, "GET", "/api/v1/session/step-up");
    const securityKey = await get(page, field(offer, "securityKeyOptions"));
    const body = { ticket: textField(offer, "ticket"), securityKey };
    assert.equal((await send(page, "POST", "/api/v1/session/step-up", body, csrfToken)).status, 204);
    assert.equal((await send(page, "POST", "/api/v1/session/step-up", body, csrfToken)).status, 401);
    assert.equal((await renew()).status, 200);
  });
});
