import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import { administrator, basic, password, sendJson, startIdentity } from "../../testing/start-identity.ts";
import { openRedirectBrowser } from "../testing/redirect-browser.ts";
import { serveDouble } from "../testing/serve-double.ts";

const ada = basic(administrator, password);
const clientId = "entrepot";

interface Lie {
  readonly audience?: string;
  readonly issuer?: string;
  readonly nonce?: string;
  readonly expiredSeconds?: number;
  readonly withOtherKey?: true;
  readonly unsigned?: true;
  readonly state?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

eachDatabase((open) => {
  /** An OpenID provider that says whatever the test wants. */
  async function setUp(
    t: TestContext,
    provider: { readonly kind: "oidc" | "google"; readonly settings?: object },
  ) {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const pair = await generateKeyPair("RS256", { extractable: true });
    const other = await generateKeyPair("RS256");
    const world: { lie: Lie; nonce: string } = { lie: {}, nonce: "" };
    const token = async (issuer: string) => {
      const { lie } = world;
      const nowSeconds = Math.floor(new Date().getTime() / 1_000) - (lie.expiredSeconds ?? 0);
      const claims = {
        sub: "42",
        email: "kim@corp.example",
        email_verified: true,
        nonce: lie.nonce ?? world.nonce,
        ...lie.claims,
      };
      const signed = await new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid: "one" })
        .setIssuer(lie.issuer ?? issuer)
        .setAudience(lie.audience ?? clientId)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + 300)
        .sign(lie.withOtherKey === true ? other.privateKey : pair.privateKey);
      if (lie.unsigned !== true) return signed;
      const header = Buffer.from('{"alg":"none"}').toString("base64url");
      return `${header}.${signed.split(".")[1] ?? ""}.`;
    };
    const double = await serveDouble(t, async (request) => {
      const issuer = `http://${request.header("host") ?? ""}`;
      switch (request.path) {
        case "/.well-known/openid-configuration":
          return {
            status: 200,
            json: {
              issuer,
              authorization_endpoint: `${issuer}/authorize`,
              token_endpoint: `${issuer}/token`,
              jwks_uri: `${issuer}/keys`,
              response_types_supported: ["code"],
              subject_types_supported: ["public"],
              id_token_signing_alg_values_supported: ["RS256"],
            },
          };
        case "/keys":
          return {
            status: 200,
            json: { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "one", alg: "RS256", use: "sig" }] },
          };
        case "/token":
          return {
            status: 200,
            json: { access_token: "a", token_type: "Bearer", id_token: await token(issuer) },
          };
        default:
          return { status: 404 };
      }
    });
    const reply = await sendJson(instance, "PUT", "/api/v1/sign-in-providers/liar", ada, {
      kind: provider.kind,
      settings: { issuer: double.origin, clientId, allowPlainHttp: true, ...provider.settings },
      secrets: { clientSecret: "between the two of us" },
    });
    assert.equal(reply.status, 201, await reply.text());
    const attempt = async (lie: Lie): Promise<{ status: number; page: string; location: URL }> => {
      world.lie = lie;
      const browser = openRedirectBrowser();
      const begun = await browser.visit(`${instance.origin}/api/v1/sign-in/liar`);
      const location = new URL(begun.headers.get("location") ?? "");
      world.nonce = location.searchParams.get("nonce") ?? "";
      const state = lie.state ?? location.searchParams.get("state") ?? "";
      const back = `${instance.origin}/api/v1/sign-in/liar/callback?${new URLSearchParams({ code: "c", state }).toString()}`;
      const done = await browser.visit(back);
      const page = await done.text();
      if (done.status !== 303) assert.equal(browser.cookies(instance.origin), "", "nobody is signed in");
      return { status: done.status, page, location };
    };
    return { instance, attempt };
  }

  test("believes no token that is for another client, by another issuer, of another sign-in, expired, or not signed by the provider", async (t) => {
    const { attempt } = await setUp(t, { kind: "oidc" });
    const lies: readonly Lie[] = [
      { audience: "another-client" },
      { issuer: "https://accounts.evil.example" },
      { nonce: "of another sign-in" },
      { expiredSeconds: 3_600 },
      { withOtherKey: true },
      { unsigned: true },
      { state: "of another browser" },
      { claims: { sub: "" } },
    ];
    for (const lie of lies) {
      const { status, page } = await attempt(lie);
      // 403 and no 503: whoever can make up an answer must not be able to have everybody else wait for a provider that works.
      assert.equal(status, 403, `${JSON.stringify(lie)} ${page}`);
      assert.doesNotMatch(page, /at \w+ \(|jwt|unexpected/i, "nothing of the inside");
    }
    assert.equal((await attempt({})).status, 303);
  });

  test("asks for PKCE, state and nonce, each anew", async (t) => {
    const { attempt } = await setUp(t, { kind: "oidc", settings: { parameters: { acr_values: "mfa" } } });
    const [first, second] = [
      (await attempt({})).location.searchParams,
      (await attempt({})).location.searchParams,
    ];
    assert.equal(first.get("code_challenge_method"), "S256");
    assert.equal(first.get("acr_values"), "mfa");
    for (const name of ["state", "nonce", "code_challenge"]) {
      assert.ok((first.get(name) ?? "").length >= 43, name);
      assert.notEqual(first.get(name), second.get(name), name);
    }
  });

  test("requires the claims that its settings name: a second factor at the provider", async (t) => {
    const { instance, attempt } = await setUp(t, {
      kind: "oidc",
      settings: { requiredClaims: { amr: ["mfa", "hwk"] } },
    });
    assert.equal((await attempt({})).status, 403);
    assert.equal((await attempt({ claims: { amr: ["pwd"] } })).status, 403);
    assert.equal((await attempt({ claims: { amr: ["pwd", "mfa"] } })).status, 303);
    const sessions = await instance.database.read
      .selectFrom("sessions")
      .select(["method", "amr", "mfa_at_ms"])
      .execute();
    assert.deepEqual(
      sessions.map(({ method, amr, mfa_at_ms: at }) => [method, amr, at !== null]),
      [["oidc:liar", "pwd mfa", true]],
    );
  });

  test("lets in Google accounts of the hosted domains only", async (t) => {
    const { attempt } = await setUp(t, { kind: "google", settings: { hostedDomains: ["corp.example"] } });
    const consumer = await attempt({});
    assert.equal(consumer.status, 403, "an address in the domain is no account of it");
    assert.equal(consumer.location.searchParams.get("hd"), "corp.example");
    assert.equal((await attempt({ claims: { hd: "evil.example" } })).status, 403);
    assert.equal((await attempt({ claims: { hd: "corp.example" } })).status, 303);
  });
});
