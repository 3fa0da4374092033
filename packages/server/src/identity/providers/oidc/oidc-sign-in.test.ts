import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { openRedirectBrowser, type RedirectBrowser, signInAtProvider } from "../testing/redirect-browser.ts";
import { type OidcAccount, oidcClient, startOidc } from "../testing/start-oidc.ts";

const ada = basic(administrator, password);
const kim: OidcAccount = {
  email: "kim@corp.example",
  email_verified: true,
  preferred_username: "Kim.Possible@corp.example",
  name: "Kim Possible",
  groups: ["staff"],
};

async function newInstance(
  t: TestContext,
  database: Parameters<typeof startIdentity>[1],
): Promise<TestIdentity> {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  return instance;
}

async function putOidc(
  instance: TestIdentity,
  name: string,
  issuer: string,
  more: { readonly settings?: object; readonly policy?: object } = {},
): Promise<void> {
  const reply = await sendJson(instance, "PUT", `/api/v1/sign-in-providers/${name}`, ada, {
    kind: "oidc",
    settings: {
      issuer,
      clientId: oidcClient.clientId,
      allowPlainHttp: true,
      scopes: ["profile", "email", "groups"],
      groupsClaim: "groups",
      ...more.settings,
    },
    policy: more.policy ?? {},
    secrets: { clientSecret: oidcClient.clientSecret },
  });
  assert.ok(reply.status < 300, await reply.text());
}

async function signIn(
  instance: TestIdentity,
  browser: RedirectBrowser,
  provider: string,
  login: string,
  returnTo = "/r/acme",
) {
  const start = `${instance.origin}/api/v1/sign-in/${provider}?returnTo=${encodeURIComponent(returnTo)}`;
  const callback = await signInAtProvider(browser, start, login);
  return { callback, reply: await browser.visit(callback) };
}

const callbackOf = (instance: TestIdentity, name: string) =>
  `${instance.origin}/api/v1/sign-in/${name}/callback`;

function whoIs(instance: TestIdentity, browser: RedirectBrowser): Promise<Response> {
  return instance.fetch("/api/v1/me", { headers: { cookie: browser.cookies(instance.origin) } });
}

eachDatabase((open) => {
  test("signs a browser in by two providers at once, each with its own users, and leads back", async (t) => {
    const instance = await newInstance(t, await open(t));
    const names = ["blue", "green"] as const;
    for (const name of names) {
      const { issuer } = await startOidc(t, [callbackOf(instance, name)], { kim });
      await putOidc(instance, name, issuer);
    }
    const methods = await (await instance.fetch("/api/v1/sign-in-methods")).text();
    assert.doesNotMatch(methods, /clientId|issuer|secret/i);
    assert.match(methods, /"address":"\/api\/v1\/sign-in\/blue"/);
    const users: string[] = [];
    for (const name of names) {
      const browser = openRedirectBrowser();
      const { reply } = await signIn(instance, browser, name, "kim");
      assert.equal(reply.status, 303, await reply.text());
      assert.equal(reply.headers.get("location"), "/r/acme");
      const me: unknown = await (await whoIs(instance, browser)).json();
      users.push(textField(me, "username"));
      assert.equal(field(me, "credential"), "session");
    }
    assert.deepEqual(
      users,
      ["kim.possible", "kim.possible-2"],
      "one name, two people until somebody links them",
    );
    const again = openRedirectBrowser();
    await signIn(instance, again, "blue", "kim");
    assert.equal(textField(await (await whoIs(instance, again)).json(), "username"), "kim.possible");
  });

  test("takes a callback only in the browser that began, only once, and only in time", async (t) => {
    const instance = await newInstance(t, await open(t));
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim });
    await putOidc(instance, "blue", issuer);
    const start = `${instance.origin}/api/v1/sign-in/blue`;
    const browser = openRedirectBrowser();
    const callback = await signInAtProvider(browser, start, "kim");
    const elsewhere = await openRedirectBrowser().visit(callback);
    assert.equal(elsewhere.status, 403);
    assert.match(await elsewhere.text(), /not begun in this browser/);
    const attacker = openRedirectBrowser();
    await (await attacker.visit(start)).body?.cancel();
    const mixed = await attacker.visit(callback);
    assert.equal(mixed.status, 403, "another browser's state");
    assert.equal(attacker.cookies(instance.origin), "", "nobody is signed in");
    const kept = browser.cookies(instance.origin);
    assert.equal((await browser.visit(callback)).status, 303);
    const replayed = await fetch(callback, { redirect: "manual", headers: { cookie: kept } });
    assert.equal(replayed.status, 403, "the provider takes a code once");
    const late = openRedirectBrowser();
    const lateCallback = await signInAtProvider(late, start, "kim");
    instance.clock.move(600_000);
    assert.equal((await late.visit(lateCallback)).status, 403);
  });

  test("leads nowhere but to paths of its own after signing in", async (t) => {
    const instance = await newInstance(t, await open(t));
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim });
    await putOidc(instance, "blue", issuer);
    for (const evil of ["https://evil.example/", "//evil.example", "/\\evil.example"]) {
      const { reply } = await signIn(instance, openRedirectBrowser(), "blue", "kim", evil);
      assert.equal(reply.headers.get("location"), "/", evil);
    }
  });

  test("lets in by domain and group only, and says so on a page without secrets", async (t) => {
    const instance = await newInstance(t, await open(t));
    const accounts = {
      kim,
      ron: { ...kim, email: "ron@elsewhere.example", preferred_username: "ron" },
      eve: { ...kim, email: "eve@corp.example", email_verified: false, preferred_username: "eve" },
      sam: { ...kim, email: "sam@corp.example", preferred_username: "sam", groups: ["guests"] },
    };
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], accounts);
    const policy = { allowedEmailDomains: ["corp.example"], requiredGroups: ["staff"] };
    await putOidc(instance, "blue", issuer, { policy });
    for (const login of ["ron", "eve", "sam"]) {
      const browser = openRedirectBrowser();
      const { reply } = await signIn(instance, browser, "blue", login);
      const page = await reply.text();
      assert.equal(reply.status, 403, login);
      assert.match(page, /You are not signed in/);
      assert.match(reply.headers.get("content-security-policy") ?? "", /default-src 'none'/);
      assert.doesNotMatch(page, /corp\.example|code=|secret|stack/);
      assert.equal(browser.cookies(instance.origin), "");
    }
    assert.equal((await signIn(instance, openRedirectBrowser(), "blue", "kim")).reply.status, 303);
    const logged = JSON.stringify(instance.lines);
    assert.ok(!logged.includes(oidcClient.clientSecret));
    assert.doesNotMatch(logged, /[?&]code=[A-Za-z0-9_-]{20}/);
  });

  test("fills teams and standing from the group claim, and takes them back at the next sign-in", async (t) => {
    const instance = await newInstance(t, await open(t));
    const oidc = await startOidc(t, [callbackOf(instance, "blue")], {
      kim: { ...kim, groups: ["staff", "chiefs"] },
    });
    await putOidc(instance, "blue", oidc.issuer, { policy: { adminGroups: ["chiefs"] } });
    const send = (method: string, path: string, body: unknown) =>
      statusOf(sendJson(instance, method, path, ada, body));
    await send("POST", "/api/v1/organizations", { name: "acme" });
    await send("POST", "/api/v1/organizations/acme/teams", { name: "devs", role: "member" });
    const binding = { team: "acme/devs", group: "staff" };
    assert.equal(await send("PUT", "/api/v1/sign-in-providers/blue/team-bindings", binding), 204);
    const members = async () =>
      (await sendJson(instance, "GET", "/api/v1/organizations/acme/teams/devs/members", ada)).text();
    await signIn(instance, openRedirectBrowser(), "blue", "kim");
    assert.match(await members(), /kim\.possible/);
    const user = async () => (await sendJson(instance, "GET", "/api/v1/users/kim.possible", ada)).json();
    assert.equal(field(await user(), "isAdmin"), true);
    oidc.accounts.set("kim", { ...kim, groups: [] });
    await signIn(instance, openRedirectBrowser(), "blue", "kim");
    assert.doesNotMatch(await members(), /kim\.possible/);
    assert.equal(field(await user(), "isAdmin"), false);
  });

  test("links another identity to who is signed in, and unlinks it; nobody unlinks somebody else's", async (t) => {
    const instance = await newInstance(t, await open(t));
    for (const name of ["blue", "green"]) {
      const { issuer } = await startOidc(t, [callbackOf(instance, name)], { kim });
      await putOidc(instance, name, issuer);
    }
    await instance.identity.createUser({ username: "kim", password, isAdmin: false });
    const own = basic("kim", password);
    for (const provider of ["blue", "green"]) {
      const browser = openRedirectBrowser();
      const begun = await sendJson(instance, "POST", "/api/v1/me/identities", own, { provider });
      assert.equal(begun.status, 200);
      const [cookie = ""] = (begun.headers.get("set-cookie") ?? "").split(";", 1);
      const callback = await signInAtProvider(browser, textField(await begun.json(), "address"), "kim");
      const reply = await fetch(callback, { redirect: "manual", headers: { cookie } });
      assert.equal(reply.status, 303, await reply.text());
      const signedIn = openRedirectBrowser();
      await signIn(instance, signedIn, provider, "kim");
      assert.equal(textField(await (await whoIs(instance, signedIn)).json(), "username"), "kim");
    }
    const list: unknown = await (await sendJson(instance, "GET", "/api/v1/me/identities", own)).json();
    const identities = field(list, "identities");
    assert.ok(Array.isArray(identities));
    assert.equal(identities.length, 2);
    const ids = identities.map((one: unknown) => String(field(one, "id")));
    await instance.identity.createUser({ username: "rufus", password, isAdmin: false });
    const thief = basic("rufus", password);
    assert.equal(await statusOf(sendJson(instance, "DELETE", `/api/v1/me/identities/${ids[0]}`, thief)), 404);
    for (const id of ids) {
      assert.equal(await statusOf(sendJson(instance, "DELETE", `/api/v1/me/identities/${id}`, own)), 204);
    }
    const after = openRedirectBrowser();
    await signIn(instance, after, "blue", "kim");
    const stranger: unknown = await (await whoIs(instance, after)).json();
    assert.equal(textField(stranger, "username"), "kim.possible", "unlinked, it is somebody else again");
  });

  test("takes over no account of ours by name or by an address that nobody verified", async (t) => {
    const instance = await newInstance(t, await open(t));
    const accounts = {
      mallory: {
        ...kim,
        preferred_username: administrator,
        email: "ada@corp.example",
        email_verified: false,
      },
      verified: { ...kim, preferred_username: "someone", email: "ada@corp.example", email_verified: true },
      member: { ...kim, preferred_username: "someone", email: "bea@corp.example", email_verified: true },
    };
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], accounts);
    await putOidc(instance, "blue", issuer, { policy: { provisioning: "existing" } });
    await instance.identity.createUser({ username: "bea", password, isAdmin: false });
    await instance.database.transaction(async (tx) => {
      for (const username of [administrator, "bea"]) {
        await tx
          .updateTable("users")
          .set({ email: `${username}@corp.example`, email_verified_at_ms: 1 })
          .where("username", "=", username)
          .execute();
      }
    });
    for (const login of ["mallory", "verified"]) {
      const { reply } = await signIn(instance, openRedirectBrowser(), "blue", login);
      assert.equal(reply.status, 403, `${login} is no administrator of ours`);
    }
    const browser = openRedirectBrowser();
    assert.equal((await signIn(instance, browser, "blue", "member")).reply.status, 303);
    assert.equal(textField(await (await whoIs(instance, browser)).json(), "username"), "bea");
    await putOidc(instance, "blue", issuer);
    const other = openRedirectBrowser();
    await signIn(instance, other, "blue", "mallory");
    assert.equal(textField(await (await whoIs(instance, other)).json(), "username"), `${administrator}-2`);
  });

  test("lets in only whom an organization has invited, by a verified address, where that is the policy", async (t) => {
    const instance = await newInstance(t, await open(t));
    const accounts = { kim, eve: { ...kim, email_verified: false, preferred_username: "eve" } };
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], accounts);
    await putOidc(instance, "blue", issuer, { policy: { provisioning: "invitation" } });
    assert.equal((await signIn(instance, openRedirectBrowser(), "blue", "kim")).reply.status, 403);
    await sendJson(instance, "POST", "/api/v1/organizations", ada, { name: "acme" });
    const invitations = "/api/v1/organizations/acme/teams/owners/invitations";
    const invited = await sendJson(instance, "POST", invitations, ada, { email: kim.email });
    assert.ok(invited.status < 300, await invited.text());
    assert.equal((await signIn(instance, openRedirectBrowser(), "blue", "eve")).reply.status, 403);
    instance.clock.move(8 * 86_400_000);
    assert.equal(
      (await signIn(instance, openRedirectBrowser(), "blue", "kim")).reply.status,
      403,
      "too late",
    );
    const again = await sendJson(instance, "POST", invitations, ada, { email: kim.email });
    assert.ok(again.status < 300, await again.text());
    const browser = openRedirectBrowser();
    assert.equal((await signIn(instance, browser, "blue", "kim")).reply.status, 303);
    const headers = { cookie: browser.cookies(instance.origin), "sec-fetch-site": "same-origin" };
    const session: unknown = await (await instance.fetch("/api/v1/session", { headers })).json();
    const own: unknown = await (await instance.fetch("/api/v1/me/invitations", { headers })).json();
    const [invitation] = [field(own, "invitations")].flat();
    assert.equal(field(invitation, "namespace"), "acme");
    const accepted = await instance.fetch("/api/v1/invitations/accept", {
      method: "POST",
      headers: {
        ...headers,
        "content-type": "application/json",
        "x-csrf-token": textField(session, "csrfToken"),
      },
      body: JSON.stringify({ id: field(invitation, "id") }),
    });
    assert.equal(accepted.status, 200, await accepted.text());
    assert.equal(
      (await signIn(instance, openRedirectBrowser(), "blue", "kim")).reply.status,
      303,
      "for good",
    );
  });

  test("an invitation brings nobody in whose address somebody here has already, also through another provider", async (t) => {
    const instance = await newInstance(t, await open(t));
    const twin = { ...kim, preferred_username: "twin" };
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim, twin });
    await putOidc(instance, "blue", issuer, { policy: { provisioning: "invitation" } });
    await sendJson(instance, "POST", "/api/v1/organizations", ada, { name: "acme" });
    const invitations = "/api/v1/organizations/acme/teams/owners/invitations";
    await sendJson(instance, "POST", invitations, ada, { email: kim.email.toUpperCase() });
    assert.equal((await signIn(instance, openRedirectBrowser(), "blue", "kim")).reply.status, 303);
    assert.equal((await signIn(instance, openRedirectBrowser(), "blue", "twin")).reply.status, 403);
    const users = await instance.database.read.selectFrom("users").select("username").execute();
    assert.deepEqual(users.map(({ username }) => username).sort(), ["ada", "kim.possible"]);
  });

  test("ends whom a provider has not vouched for as long as its policy says, until it does again", async (t) => {
    const instance = await newInstance(t, await open(t));
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim });
    await putOidc(instance, "blue", issuer, { policy: { reconfirmAfterDays: 5 } });
    const browser = openRedirectBrowser();
    await signIn(instance, browser, "blue", "kim");
    const sync = () => statusOf(sendJson(instance, "POST", "/api/v1/sign-in-providers/blue/sync", ada));
    instance.clock.move(4 * 86_400_000);
    assert.equal(await sync(), 200);
    const user = async () =>
      field(await (await sendJson(instance, "GET", "/api/v1/users/kim.possible", ada)).json(), "isDisabled");
    assert.equal(await user(), false);
    instance.clock.move(2 * 86_400_000);
    assert.equal(await sync(), 200);
    assert.equal(await user(), true);
    assert.equal((await whoIs(instance, browser)).status, 401);
    await signIn(instance, openRedirectBrowser(), "blue", "kim");
    assert.equal(await user(), false);
  });

  test("asks for the second factor that somebody has here, when the provider saw none", async (t) => {
    const instance = await newInstance(t, await open(t));
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim });
    await putOidc(instance, "blue", issuer);
    await signIn(instance, openRedirectBrowser(), "blue", "kim");
    await instance.database.transaction(async (tx) => {
      const user = tx.selectFrom("users").select("id").where("username", "=", "kim.possible");
      const { id } = await user.executeTakeFirstOrThrow();
      const seed = { user_id: id, seed: "sealed", last_counter: 0, created_at_ms: 0, last_used_at_ms: null };
      await tx.insertInto("totp_seeds").values(seed).execute();
    });
    const browser = openRedirectBrowser();
    const { reply } = await signIn(instance, browser, "blue", "kim");
    assert.equal(reply.status, 200);
    assert.match(await reply.text(), /action="\/api\/v1\/sign-in\/mfa"[^]*name="ticket"[^]*name="code"/);
    assert.equal(browser.cookies(instance.origin), "", "no session yet, and the state is used up");
  });

  test("says that a provider which is down cannot be asked, and stays usable beside it", async (t) => {
    const instance = await newInstance(t, await open(t));
    await putOidc(instance, "blue", "http://127.0.0.1:9");
    const reply = await instance.fetch("/api/v1/sign-in/blue", { redirect: "manual" });
    assert.equal(reply.status, 503);
    assert.equal(await statusOf(instance.fetch("/api/v1/me", { authorization: ada })), 200);
    assert.equal(await statusOf(instance.fetch("/api/v1/sign-in/nothing", { redirect: "manual" })), 404);
    const tested = await sendJson(instance, "POST", "/api/v1/sign-in-providers/blue/test", ada, {});
    assert.equal(field(await tested.json(), "ok"), false);
  });

  test("leads to the provider's own sign-out where that is wanted", async (t) => {
    const instance = await newInstance(t, await open(t));
    const { issuer } = await startOidc(t, [callbackOf(instance, "blue")], { kim });
    await putOidc(instance, "blue", issuer, { settings: { signOut: true } });
    const reply = await instance.fetch("/api/v1/sign-in/blue/sign-out", { redirect: "manual" });
    assert.equal(reply.status, 303);
    const address = new URL(reply.headers.get("location") ?? "");
    assert.equal(address.origin, issuer);
    assert.equal(address.searchParams.get("post_logout_redirect_uri"), `${instance.origin}/`);
  });
});
