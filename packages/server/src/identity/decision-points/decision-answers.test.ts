import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { basic, bearer, getToken, startIdentity } from "../testing/start-identity.ts";
import { signMessage } from "./sign-message.ts";
import { eve, notify, openWorld, pullOf, statusOf } from "./testing/open-decision-world.ts";
import { pointSecret } from "./testing/start-decision-server.ts";

eachDatabase((open) => {
  test("keeps an answer as long as it says, a refusal too, and not at all when it says so", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    const ask = async () => {
      await statusOf(instance, pullOf("syn1/a"), eve);
      return server.questions.splice(0).map(({ intent }) => intent);
    };
    assert.deepEqual(await ask(), ["login", "authorize"]);
    assert.deepEqual(await ask(), ["login", "authorize"]);
    server.ttlSeconds = 10;
    assert.deepEqual(await ask(), ["login", "authorize"]);
    assert.deepEqual(await ask(), []);
    instance.clock.move(9_999);
    assert.deepEqual(await ask(), []);
    instance.clock.move(1);
    assert.deepEqual(await ask(), ["login", "authorize"]);
    await statusOf(instance, pullOf("syn1/a"), basic("eve", "wrong"));
    server.questions.length = 0;
    assert.equal(await statusOf(instance, pullOf("syn1/a"), basic("eve", "wrong")), 401);
    assert.equal(server.questions.length, 0);
  });

  test("fails closed whatever comes instead of an answer, and says that it is not the caller's fault", async (t) => {
    const { instance, server } = await openWorld(
      t,
      await open(t),
      { timeoutMs: 1_500 },
      { tokenLifetimeMs: 3_600_000 },
    );
    server.rights.set("u-1 syn1/a", ["pull"]);
    server.credentials.set("mallory x", "u-2");
    const token = bearer(await getToken(instance, "repository:syn1/a:pull", eve));
    const granting = JSON.stringify({
      id: "other",
      ttlSeconds: 1,
      granted: [{ name: "syn1/a", actions: ["pull"] }],
    });
    for (const fault of [
      { isSilent: true },
      { status: 500 },
      { status: 204, body: "" },
      { status: 302 },
      { body: "nonsense" },
      { body: granting },
      { body: "[]" },
      { body: `"${"x".repeat(1_100_000)}"` },
      { signature: "t=1,v1=00" },
      { signature: signMessage(pointSecret, "question", "", instance.clock.nowMs()) },
    ]) {
      server.fault = fault;
      instance.clock.move(60_000); // past any pause
      const reply = await instance.fetch(pullOf("syn1/a"), { authorization: token });
      assert.equal(reply.status, 503, JSON.stringify(fault).slice(0, 100));
      assert.ok(reply.headers.get("retry-after"));
      assert.doesNotMatch(await reply.text(), /127\.0\.0\.1|nonsense|secret/);
    }
    server.fault = undefined;
    instance.clock.move(60_000);
    const again = bearer(await getToken(instance, "repository:syn1/a:pull", eve));
    assert.equal(await statusOf(instance, pullOf("syn1/a"), again), 204);
  });

  test("lets an answer that has ended stand in for as long as the settings say, but not one that was taken back", async (t) => {
    const { instance, server } = await openWorld(t, await open(t), { serveStaleSeconds: 60 });
    server.rights.set("u-1 syn1/a", ["pull"]);
    server.ttlSeconds = 10;
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    server.fault = { status: 500 };
    instance.clock.move(69_000);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    instance.clock.move(2_000);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 503);
    server.fault = undefined;
    instance.clock.move(60_000);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    server.fault = { status: 500 };
    assert.equal(await notify(instance, "invalidate", { principals: ["u-1"] }), 204);
    instance.clock.move(1_000);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 503);
  });

  test("leaves a point that does not answer alone for a while, then tries with one question", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/a", ["pull"]);
    const token = bearer(await getToken(instance, "repository:syn1/a:pull", eve));
    server.fault = { status: 500 };
    server.questions.length = 0;
    for (let request = 0; request < 20; request += 1) await statusOf(instance, pullOf("syn1/a"), token);
    assert.equal(server.questions.length, 5);
    instance.clock.move(2_000);
    await statusOf(instance, pullOf("syn1/a"), token);
    await statusOf(instance, pullOf("syn1/a"), token);
    assert.equal(server.questions.length, 6);
    server.fault = undefined;
    instance.clock.move(4_000);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 204);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 204);
    const metrics = await instance.metrics.metrics();
    assert.match(metrics, /questions_total\{point="syn",intent="authorize",outcome="failed"\} 6/);
  });

  test("takes answers back on both of two instances within five seconds", async (t) => {
    const url = await open.url(t);
    const { instance, server } = await openWorld(t, await open(t, { url }));
    const { clock } = instance;
    const second = await startIdentity(t, await open(t, { url }), { clock });
    server.ttlSeconds = 3_600;
    for (const subject of [
      { principals: ["u-1"] },
      { repositories: ["syn1/a"] },
      { cacheKeys: ["k"] },
      { all: true },
    ]) {
      server.cacheKey = "k";
      assert.equal(await notify(instance, "invalidate", { all: true }), 204);
      clock.move(1_000);
      server.rights.set("u-1 syn1/a", ["pull"]);
      for (const one of [instance, second]) assert.equal(await statusOf(one, pullOf("syn1/a"), eve), 204);
      server.rights.clear();
      for (const one of [instance, second])
        assert.equal(await statusOf(one, pullOf("syn1/a"), eve), 204, "kept");
      assert.equal(await notify(instance, "invalidate", subject), 204);
      assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 403, "here at once");
      // On SQLite at the next look, on PostgreSQL within the second.
      clock.move(1_000);
      assert.equal(await statusOf(second, pullOf("syn1/a"), eve), 403, JSON.stringify(subject));
    }
  });
});
