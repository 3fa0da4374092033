import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  password,
  sendJson,
  startIdentity,
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { serveDouble } from "../testing/serve-double.ts";

const ada = basic(administrator, password);
const path = "/api/v1/sign-in-providers/house";
const issuer = "house-of-corp";
const secret = "open sesame please";

interface Lie {
  readonly audience?: string;
  readonly issuer?: string;
  readonly issuedBeforeSeconds?: number;
  readonly withOtherKey?: true;
}

eachDatabase((open) => {
  /** The three endpoints, as https://github.com/quay/quay `data/users/externaljwt.py` asks them. */
  async function setUp(t: TestContext, keys: "certificate" | "jwks" = "certificate") {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const pair = await generateKeyPair("RS256", { extractable: true });
    const other = await generateKeyPair("RS256");
    const people = new Set(["ivan"]);
    const world: { lie: Lie; isDown: boolean } = { lie: {}, isDown: false };
    const sign = (audience: string, claims: Record<string, unknown>) => {
      const { lie } = world;
      const nowSeconds = Math.floor(instance.clock.nowMs() / 1_000) - (lie.issuedBeforeSeconds ?? 0);
      return new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid: "one" })
        .setIssuer(lie.issuer ?? issuer)
        .setAudience(lie.audience ?? audience)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + 3_600)
        .sign(lie.withOtherKey === true ? other.privateKey : pair.privateKey);
    };
    const double = await serveDouble(t, async (request) => {
      if (world.isDown) return { status: 502 };
      const basicText = Buffer.from((request.header("authorization") ?? "").slice(6), "base64").toString();
      const [name = "", shown = ""] = basicText.split(":");
      switch (request.path) {
        case "/verify":
          if (!people.has(name) || shown !== secret)
            return { status: 403, json: "Invalid username or password" };
          return {
            status: 200,
            json: { token: await sign("quay.io/jwtauthn", { sub: name, email: `${name}@corp.example` }) },
          };
        case "/getuser": {
          const asked = request.query.get("username") ?? "";
          if (!people.has(asked)) return { status: 404, json: "No such user" };
          return {
            status: 200,
            json: {
              token: await sign("quay.io/jwtauthn/getuser", { sub: asked, email: `${asked}@corp.example` }),
            },
          };
        }
        case "/query":
          return {
            status: 200,
            json: { token: await sign("quay.io/jwtauthn/query", { results: [{ username: "ivan" }] }) },
          };
        case "/keys":
          return {
            status: 200,
            json: { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "one", alg: "RS256" }] },
          };
        default:
          return { status: 404 };
      }
    });
    const at = (name: string) => `${double.origin}/${name}`;
    const key = keys === "jwks" ? { jwksUrl: at("keys") } : { certificate: await exportSPKI(pair.publicKey) };
    const settings = {
      verifyUrl: at("verify"),
      getUserUrl: at("getuser"),
      queryUrl: at("query"),
      issuer,
      allowPlainHttp: true,
      ...key,
    };
    assert.equal(
      await statusOf(sendJson(instance, "PUT", path, ada, { kind: "external-jwt", settings })),
      201,
    );
    const me = () => statusOf(instance.fetch("/api/v1/me", { authorization: basic("ivan", secret) }));
    return { instance, world, people, me };
  }

  test("signs somebody in whom the verify endpoint vouches for with the pinned key", async (t) => {
    const { instance, me } = await setUp(t);
    assert.equal(await me(), 200);
    assert.equal(
      await statusOf(instance.fetch("/api/v1/me", { authorization: basic("ivan", "wrong") })),
      401,
    );
    const tested = await sendJson(instance, "POST", `${path}/test`, ada, {});
    assert.equal(field(await tested.json(), "ok"), true);
  });

  test("finds the key in a published set", async (t) => {
    const { me } = await setUp(t, "jwks");
    assert.equal(await me(), 200);
  });

  test("believes no answer that is signed by another, for somebody else, of another endpoint, or old", async (t) => {
    const { world, me, instance } = await setUp(t);
    const lies: readonly Lie[] = [
      { withOtherKey: true },
      { issuer: "house-of-mallory" },
      { audience: "quay.io/jwtauthn/getuser" },
      { issuedBeforeSeconds: 600 },
    ];
    for (const lie of lies) {
      world.lie = lie;
      assert.equal(await me(), 503, JSON.stringify(lie));
      // A failure of the provider, which is left alone for a while after several.
      instance.clock.move(15_000);
    }
    world.lie = {};
    assert.equal(await me(), 200);
  });

  test("ends whom the getuser endpoint knows no more", async (t) => {
    const { instance, people, world, me } = await setUp(t);
    assert.equal(await me(), 200);
    const sync = async () => sendJson(instance, "POST", `${path}/sync`, ada);
    world.isDown = true;
    assert.equal(await statusOf(sync()), 503);
    assert.equal(await me(), 200, "an endpoint in trouble says nothing of anybody");
    world.isDown = false;
    people.delete("ivan");
    assert.equal(field(await (await sync()).json(), "lost"), 1);
    assert.equal(await me(), 401);
  });
});
