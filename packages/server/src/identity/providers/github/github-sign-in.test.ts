import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  password,
  sendJson,
  startIdentity,
  textField,
} from "../../testing/start-identity.ts";
import { openRedirectBrowser } from "../testing/redirect-browser.ts";
import { serveDouble } from "../testing/serve-double.ts";

const ada = basic(administrator, password);
const client = { clientId: "Iv1.0123456789", clientSecret: "the secret of the app" };

interface Octocat {
  id: number;
  login: string;
  emails: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[];
  organizations: readonly string[];
}

eachDatabase((open) => {
  /** GitHub Enterprise's web flow and the parts of its API that are asked, as docs.github.com describes them. */
  async function setUp(t: TestContext, settings: object = {}, policy: object = {}) {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const cat: Octocat = {
      id: 583231,
      login: "Octo-Cat",
      emails: [
        { email: "other@cat.example", primary: false, verified: true },
        { email: "octo@cat.example", primary: true, verified: true },
      ],
      organizations: ["Acme"],
    };
    const codes = new Map<string, { readonly challenge: string; readonly redirectUri: string }>();
    const double = await serveDouble(t, (request) => {
      const { query } = request;
      if (request.path === "/login/oauth/authorize") {
        assert.equal(query.get("client_id"), client.clientId);
        assert.equal(query.get("code_challenge_method"), "S256");
        const redirectUri = query.get("redirect_uri") ?? "";
        const code = `code${codes.size}`;
        codes.set(code, { challenge: query.get("code_challenge") ?? "", redirectUri });
        const location = `${redirectUri}?${new URLSearchParams({ code, state: query.get("state") ?? "" }).toString()}`;
        return { status: 302, headers: { location } };
      }
      if (request.path === "/login/oauth/access_token") {
        const form = new URLSearchParams(request.body);
        const code = codes.get(form.get("code") ?? "");
        codes.delete(form.get("code") ?? "");
        const challenge = createHash("sha256")
          .update(form.get("code_verifier") ?? "")
          .digest("base64url");
        const isRight =
          code?.challenge === challenge &&
          form.get("client_secret") === client.clientSecret &&
          form.get("redirect_uri") === code.redirectUri;
        // GitHub refuses with 200.
        return {
          status: 200,
          json: isRight
            ? { access_token: "gho_x", token_type: "bearer" }
            : { error: "bad_verification_code" },
        };
      }
      if (request.header("authorization") !== "Bearer gho_x")
        return { status: 401, json: { message: "Bad credentials" } };
      switch (request.path) {
        case "/api/v3/user":
          return {
            status: 200,
            json: { id: cat.id, login: cat.login, name: "The Cat", email: "public@cat.example" },
          };
        case "/api/v3/user/emails":
          return { status: 200, json: cat.emails };
        case "/api/v3/user/memberships/orgs":
          assert.equal(query.get("state"), "active");
          return {
            status: 200,
            json: cat.organizations.map((login) => ({ state: "active", organization: { login } })),
          };
        case "/api/v3/user/teams":
          return {
            status: 200,
            json: cat.organizations.map((login) => ({ slug: "core", organization: { login } })),
          };
        default:
          return { status: 404, json: {} };
      }
    });
    const reply = await sendJson(instance, "PUT", "/api/v1/sign-in-providers/hub", ada, {
      kind: "github",
      settings: { clientId: client.clientId, url: double.origin, allowPlainHttp: true, ...settings },
      policy,
      secrets: { clientSecret: client.clientSecret },
    });
    assert.equal(reply.status, 201, await reply.text());
    return { instance, cat, double };
  }

  test("signs somebody in by GitHub Enterprise, known by number and by the address that is primary and verified", async (t) => {
    const { instance, cat } = await setUp(t, { organizations: ["acme"] });
    const browser = openRedirectBrowser();
    const { url } = await browser.follow(`${instance.origin}/api/v1/sign-in/hub?returnTo=/api/v1/me`);
    assert.equal(url.href, `${instance.origin}/api/v1/me`);
    const first = await instance.fetch("/api/v1/me", {
      headers: { cookie: browser.cookies(instance.origin) },
    });
    assert.equal(textField(await first.json(), "username"), "octo-cat");
    const stored = await instance.database.read
      .selectFrom("users")
      .select(["email", "full_name"])
      .where("username", "=", "octo-cat")
      .executeTakeFirst();
    assert.equal(stored?.email, "octo@cat.example");
    cat.login = "renamed";
    const again = openRedirectBrowser();
    await again.follow(`${instance.origin}/api/v1/sign-in/hub`);
    const second = await instance.fetch("/api/v1/me", {
      headers: { cookie: again.cookies(instance.origin) },
    });
    assert.equal(
      textField(await second.json(), "username"),
      "octo-cat",
      "a new name there is the same person",
    );
    cat.id = 1;
    const successor = openRedirectBrowser();
    await successor.follow(`${instance.origin}/api/v1/sign-in/hub`);
    const third = await instance.fetch("/api/v1/me", {
      headers: { cookie: successor.cookies(instance.origin) },
    });
    assert.equal(
      textField(await third.json(), "username"),
      "renamed",
      "the same name with another number is not",
    );
  });

  test("lets in members of an organization or team only", async (t) => {
    const { instance, cat } = await setUp(t, { organizations: ["acme/core"] });
    const inside = await openRedirectBrowser().follow(`${instance.origin}/api/v1/sign-in/hub`);
    assert.notEqual(inside.reply.status, 403);
    cat.organizations = ["elsewhere"];
    const outside = await openRedirectBrowser().follow(`${instance.origin}/api/v1/sign-in/hub`);
    assert.equal(outside.reply.status, 403);
    assert.match(await outside.reply.text(), /none of the organizations/);
  });

  test("takes no address that GitHub has not verified", async (t) => {
    const { instance, cat } = await setUp(t, {}, { allowedEmailDomains: ["cat.example"] });
    cat.emails = [{ email: "octo@cat.example", primary: true, verified: false }];
    const { reply } = await openRedirectBrowser().follow(`${instance.origin}/api/v1/sign-in/hub`);
    assert.equal(reply.status, 403);
  });

  test("refuses a code that was not got for this browser", async (t) => {
    const { instance } = await setUp(t);
    const browser = openRedirectBrowser();
    const begun = await browser.visit(`${instance.origin}/api/v1/sign-in/hub`);
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const callback = `${instance.origin}/api/v1/sign-in/hub/callback`;
    const stolen = await browser.visit(`${callback}?code=code7&state=${state}`);
    assert.equal(stolen.status, 403);
    const denied = await browser.visit(`${callback}?error=access_denied&state=${state}`);
    assert.equal(denied.status, 403);
    assert.equal(field({ cookies: browser.cookies(instance.origin) }, "cookies"), "");
  });
});
