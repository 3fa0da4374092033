import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import { type Lie, startLyingProvider } from "../testing/start-lying-provider.ts";

eachDatabase((open) => {
  const setUp = async (t: TestContext, provider: Parameters<typeof startLyingProvider>[2]) =>
    startLyingProvider(t, await open(t), provider);

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
