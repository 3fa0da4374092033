import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { basic, bearer, field, getToken, password, sendJson, textField } from "../testing/start-identity.ts";
import {
  ada,
  box,
  collection,
  issue,
  issuersOfAcme,
  patchIssuer,
  probe,
  startIssuer,
} from "../testing/start-issuer.ts";

eachDatabase((open) => {
  test("an issued credential reaches its repositories, and everything else looks absent to it", async (t) => {
    const world = await startIssuer(t, await open(t));
    const { username, secret, value } = await issue(world, { name: "cust-17", externalId: "17" });
    assert.equal(username, "acme+vendor+cust-17");
    assert.match(textField(value, "dockerLogin"), /docker login .* --username acme\+vendor\+cust-17/);
    const token = bearer(
      await getToken(world, "repository:acme/free/app:pull,push", basic(username, secret)),
    );
    for (const shown of [basic(username, secret), bearer(secret), token]) {
      assert.equal(await probe(world, "acme/free/app", shown), 204);
      assert.equal(await probe(world, "acme/free/app", shown, "push"), 403);
    }
    for (const name of ["acme/paid/app", "acme/nothing", "other/open"]) {
      assert.equal(await probe(world, name, basic(username, secret)), 403, name);
    }
    const catalog = await world.fetch("/v2/_catalog", { authorization: basic(username, secret) });
    assert.deepEqual(await catalog.json(), ["acme/free/app", "acme/free/db"]);
    for (const path of ["/api/v1/me", "/api/v1/organizations/acme", collection]) {
      assert.equal((await world.fetch(path, { authorization: basic(username, secret) })).status, 403, path);
    }
  });

  test("the same customer asked for twice, at the same moment too, is one account whose secret is told once", async (t) => {
    const world = await startIssuer(t, await open(t));
    const replies = await Promise.all(
      Array.from({ length: 8 }, () =>
        sendJson(world, "POST", collection, world.vendor, { externalId: "acct-1" }),
      ),
    );
    assert.deepEqual(
      replies.map(({ status }) => status).sort((left, right) => left - right),
      [200, 200, 200, 200, 200, 200, 200, 201],
    );
    const values: unknown[] = await Promise.all(replies.map((reply) => reply.json()));
    assert.equal(new Set(values.map((value) => textField(field(value, "credential"), "id"))).size, 1);
    assert.equal(values.filter((value) => field(value, "secret") !== undefined).length, 1);
    const again = await issue(world, { externalId: "acct-1" }, 200);
    assert.equal(again.secret, "");
    const accounts = await world.database.read
      .selectFrom("users")
      .select("id")
      .where("kind", "=", "issued")
      .execute();
    assert.equal(accounts.length, 1);
  });

  test("issuing makes nobody forget what they knew of rights", async (t) => {
    const world = await startIssuer(t, await open(t));
    await issue(world, { externalId: "1" });
    const version = () =>
      world.database.read
        .selectFrom("counters")
        .select("value")
        .where("name", "=", "access")
        .executeTakeFirst();
    const before = await version();
    const { username, secret } = await issue(world, { externalId: "2" });
    assert.deepEqual(await version(), before);
    assert.equal(await probe(world, "acme/free/app", basic(username, secret)), 204);
  });

  test("nothing outside the box can be had: repositories, actions, life, number", async (t) => {
    const world = await startIssuer(t, await open(t), {
      maxLifetimeSeconds: 3_600,
      maxActive: 2,
      requireExpiry: true,
    });
    const nowMs = world.clock.nowMs();
    const expiresAtMs = nowMs + 1_000_000;
    const scope = (repositories: string, ...actions: string[]) => ({
      scopes: [{ repositories, actions }],
      expiresAtMs,
    });
    for (const bad of [
      scope("acme/**", "pull"),
      scope("acme/paid/app", "pull"),
      scope("acme/free", "pull"),
      scope("**", "pull"),
      scope("acme/free/app", "push"),
      scope("acme/free/app", "admin"),
      { expiresAtMs: nowMs + 3_600_001 },
    ]) {
      await issue(world, bad, 403);
    }
    for (const bad of [
      {},
      { expiresAtMs: nowMs },
      { expiresAtMs, secret: "too short" },
      { expiresAtMs, secret: "a".repeat(300) },
      { expiresAtMs, name: "A/b" },
      { expiresAtMs, networks: ["nowhere"] },
      { expiresAtMs, metadata: { text: "x".repeat(17_000) } },
      { expiresAtMs, metadata: "text" },
      { expiresAtMs, labels: { "a b": "c" } },
      { expiresAtMs, labels: { a: "b\n" } },
      { expiresAtMs, kind: "person" },
    ]) {
      await issue(world, bad, 400);
    }
    await issue(world, { ...scope("acme/free/app", "pull"), externalId: "1" });
    const second = await issue(world, { expiresAtMs, externalId: "2" });
    await issue(world, { expiresAtMs, externalId: "3" }, 403);
    await issue(world, { expiresAtMs, externalId: "2" }, 200);
    assert.equal(
      (await world.fetch(`${collection}/${second.id}`, { method: "DELETE", authorization: world.vendor }))
        .status,
      204,
    );
    await issue(world, { expiresAtMs, externalId: "3" });
    const rows = await world.database.read
      .selectFrom("users")
      .select("id")
      .where("kind", "=", "issued")
      .execute();
    assert.equal(rows.length, 2, "a refused request leaves nothing");
  });

  test("a full box is not overfilled by requests at the same moment", async (t) => {
    const world = await startIssuer(t, await open(t), { maxActive: 3 });
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        sendJson(world, "POST", collection, world.vendor, { externalId: String(index) }),
      ),
    );
    assert.equal(replies.filter(({ status }) => status === 201).length, 3);
    assert.equal(replies.filter(({ status }) => status === 403).length, 5);
  });

  test("what comes back to life counts as what is new", async (t) => {
    const world = await startIssuer(t, await open(t), { maxActive: 1 });
    const change = (id: string, to: object) =>
      sendJson(world, "PATCH", `${collection}/${id}`, world.vendor, to).then(({ status }) => status);
    const make = async (externalId: string) => {
      const reply = await sendJson(world, "POST", collection, world.vendor, { externalId });
      return textField(field(await reply.json(), "credential"), "id");
    };
    const first = await make("1");
    assert.equal(await change(first, { isDisabled: true }), 200);
    const second = await make("2");
    assert.equal(await change(first, { isDisabled: false }), 403);
    assert.equal(await change(second, { description: "the one that there is" }), 200);
    assert.equal(await change(second, { isDisabled: true }), 200);
    assert.equal(await change(first, { isDisabled: false }), 200);
  });

  test("an issuer can do nothing else, and cannot widen itself", async (t) => {
    const world = await startIssuer(t, await open(t));
    for (const [method, path] of [
      ["GET", "/api/v1/me"],
      ["GET", "/api/v1/organizations/acme"],
      ["GET", issuersOfAcme],
      ["PATCH", `${issuersOfAcme}/vendor`],
      ["POST", `${issuersOfAcme}/vendor/rotate`],
      ["POST", issuersOfAcme],
      ["GET", "/api/v1/users"],
      ["GET", "/api/v1/me/access-tokens"],
      ["POST", "/api/v1/me/access-tokens"],
      ["GET", "/v2/_catalog"],
      ["GET", "/v2/acme/free/app/probe/pull"],
      ["GET", "/v2/other/open/probe/pull"],
      ["GET", "/token"],
    ] as const) {
      assert.equal(
        (await world.fetch(path, { method, authorization: world.vendor })).status,
        403,
        `${method} ${path}`,
      );
    }
    for (const caller of [ada, undefined]) {
      const reply = await world.fetch(collection, caller === undefined ? {} : { authorization: caller });
      assert.equal(reply.status, caller === undefined ? 401 : 403, "nor does anybody else do what it does");
    }
  });

  test("a box stays within its namespace, unless an administrator makes it for the whole registry", async (t) => {
    const world = await startIssuer(t, await open(t));
    for (const repositories of [["other/**"], ["**"], ["acme/free/**", "acm*/x"], ["acme"]]) {
      const reply = await sendJson(world, "POST", issuersOfAcme, ada, { name: "b", ...box, repositories });
      assert.equal(reply.status, 403, repositories.join());
      assert.equal((await patchIssuer(world, { repositories })).status, 403, repositories.join());
    }
    for (const bad of [
      { actions: ["admin"] },
      { actions: [] },
      { repositories: ["a//b"] },
      { name: "A" },
      { networks: ["x"] },
    ]) {
      const reply = await sendJson(world, "POST", issuersOfAcme, ada, { name: "b", ...box, ...bad });
      assert.equal(reply.status, 400, JSON.stringify(bad));
    }
    assert.equal((await sendJson(world, "POST", issuersOfAcme, ada, { name: "vendor", ...box })).status, 409);
    const everywhere = { name: "platform", repositories: ["**"], actions: ["pull", "push", "delete"] };
    const made = await sendJson(world, "POST", "/api/v1/issuers", ada, everywhere);
    assert.equal(made.status, 201);
    const platform = { ...world, vendor: bearer(textField(await made.json(), "secret")) };
    const { username, secret } = await issue(platform, {
      name: "x",
      scopes: [{ repositories: "other/open", actions: ["pull"] }],
    });
    assert.equal(username, "system+platform+x");
    assert.equal(await probe(world, "other/open", basic(username, secret)), 204);
    await world.identity.createUser({ username: "bob", password, isAdmin: false });
    const bob = basic("bob", password);
    assert.equal((await sendJson(world, "POST", "/api/v1/issuers", bob, everywhere)).status, 403);
    assert.equal((await sendJson(world, "POST", issuersOfAcme, bob, { name: "c", ...box })).status, 403);
  });

  test("narrowing the box narrows all that was issued; disabling and deleting the issuer ends it, tokens included", async (t) => {
    const world = await startIssuer(t, await open(t));
    const { username, secret } = await issue(world, { externalId: "1" });
    const shown = basic(username, secret);
    const token = bearer(
      await getToken(world, "repository:acme/free/app:pull repository:acme/free/db:pull", shown),
    );
    await patchIssuer(world, { repositories: ["acme/free/app"] });
    for (const authorization of [shown, token]) {
      assert.equal(await probe(world, "acme/free/app", authorization), 204);
      assert.equal(await probe(world, "acme/free/db", authorization), 403);
    }
    await patchIssuer(world, { repositories: ["acme/free/**"], networks: ["192.0.2.0/24"] });
    for (const authorization of [shown, token])
      assert.equal(await probe(world, "acme/free/app", authorization), 401);
    await patchIssuer(world, { networks: null });
    assert.equal(await probe(world, "acme/free/db", token), 204);
    await patchIssuer(world, { isDisabled: true });
    for (const authorization of [shown, token, world.vendor]) {
      assert.equal(await probe(world, "acme/free/app", authorization), 401);
    }
    await patchIssuer(world, { isDisabled: false });
    assert.equal(await probe(world, "acme/free/app", token), 204);
    assert.equal(
      (await world.fetch(`${issuersOfAcme}/vendor`, { method: "DELETE", authorization: ada })).status,
      204,
    );
    for (const authorization of [shown, token, world.vendor]) {
      assert.equal(await probe(world, "acme/free/app", authorization), 401);
    }
    assert.deepEqual(await world.database.read.selectFrom("issued_labels").selectAll().execute(), []);
  });
});
