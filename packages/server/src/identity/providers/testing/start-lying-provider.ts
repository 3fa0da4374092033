import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Database } from "../../../storage/database/database.ts";
import {
  administrator,
  basic,
  password,
  sendJson,
  startIdentity,
  type TestIdentityOptions,
} from "../../testing/start-identity.ts";
import { openRedirectBrowser, type RedirectBrowser } from "./redirect-browser.ts";
import { serveDouble } from "./serve-double.ts";

const ada = basic(administrator, password);
const clientId = "entrepot";

export interface Lie {
  readonly audience?: string;
  readonly issuer?: string;
  readonly nonce?: string;
  readonly expiredSeconds?: number;
  readonly withOtherKey?: true;
  readonly unsigned?: true;
  readonly state?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** An instance, and an OpenID provider named `liar` that says whatever the test wants. */
export async function startLyingProvider(
  t: TestContext,
  database: Database,
  provider: { readonly kind: "oidc" | "google"; readonly settings?: object },
  options: TestIdentityOptions = {},
) {
  const instance = await startIdentity(t, database, options);
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
  /** Goes to where the provider is, and comes back with what it says. */
  const comeBack = async (browser: RedirectBrowser, location: URL, lie: Lie): Promise<Response> => {
    world.lie = lie;
    world.nonce = location.searchParams.get("nonce") ?? "";
    const state = lie.state ?? location.searchParams.get("state") ?? "";
    const query = new URLSearchParams({ code: "c", state }).toString();
    return browser.visit(`${instance.origin}/api/v1/sign-in/liar/callback?${query}`);
  };
  const attempt = async (lie: Lie, browser = openRedirectBrowser()) => {
    const begun = await browser.visit(`${instance.origin}/api/v1/sign-in/liar`);
    const location = new URL(begun.headers.get("location") ?? "");
    const done = await comeBack(browser, location, lie);
    const page = await done.text();
    if (done.status !== 303) assert.equal(browser.cookies(instance.origin), "", "nobody is signed in");
    return { status: done.status, page, location };
  };
  return { instance, attempt, comeBack };
}
