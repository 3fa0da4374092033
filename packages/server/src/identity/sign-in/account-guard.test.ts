import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { password, startIdentity } from "../testing/start-identity.ts";
import { postSignIn } from "../testing/test-browser.ts";

async function start(t: TestContext, database: Database) {
  const instance = await startIdentity(t, database, { trustProxy: true });
  await instance.identity.createUser({ username: "ada", password, isAdmin: false });
  const signIn = async (from: string, secret: string) => {
    const reply = await postSignIn(instance, "ada", secret, { "x-forwarded-for": from });
    await reply.body?.cancel();
    return reply.status;
  };
  /** A hundred networks guess once each. */
  const attack = async () => {
    for (let index = 0; index < 100; index += 1) {
      assert.equal(await signIn(`198.51.100.${index}`, `guess ${index}`), 401);
    }
  };
  return { instance, signIn, attack };
}

eachDatabase((open) => {
  test("lets strangers try once in a quarter of an hour while very many guess at an account", async (t) => {
    const { instance, signIn, attack } = await start(t, await open(t));
    await attack();
    assert.equal(await signIn("198.51.100.1", "another"), 429, "this one has guessed already");
    assert.equal(await signIn("203.0.113.1", "a first guess"), 401);
    assert.equal(await signIn("203.0.113.1", "a second guess"), 429);
    instance.clock.move(900_000);
    assert.equal(await signIn("203.0.113.1", "a second guess"), 401);
  });

  test("locks the owner out neither at home nor on the road, on whatever instance", async (t) => {
    const url = await open.url(t);
    const first = await start(t, await open(t, { url }));
    assert.equal(await first.signIn("192.0.2.1", password), 200);
    // Another process, which has seen no sign-in of theirs.
    const instance = await startIdentity(t, await open(t, { url }), { trustProxy: true });
    const signIn = async (from: string, secret: string) => {
      const reply = await postSignIn(instance, "ada", secret, { "x-forwarded-for": from });
      await reply.body?.cancel();
      return reply.status;
    };
    for (let index = 0; index < 100; index += 1) await signIn(`198.51.100.${index}`, `guess ${index}`);
    assert.equal(await signIn("192.0.2.1", "mistyped"), 401);
    assert.equal(await signIn("192.0.2.1", password), 200, "from home, after a mistake");
    assert.equal(await signIn("203.0.113.9", password), 200, "from somewhere new, at the first try");
    const rows = await instance.database.read.selectFrom("sign_in_networks").select("network").execute();
    assert.equal(rows.length, 2);
    assert.ok(
      rows.every(({ network }) => /^[0-9a-f]{64}$/.test(network)),
      "no address is kept",
    );
  });
});
