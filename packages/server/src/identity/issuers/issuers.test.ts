import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  getToken,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const collection = "/api/v1/issued-credentials";
const issuersOfAcme = "/api/v1/organizations/acme/issuers";
const box = { repositories: ["acme/free/**"], actions: ["pull"] };
const hourMs = 3_600_000;

interface World extends TestIdentity {
  readonly vendor: string;
}

/** An organization with a free tier and something else, and an issuer for the free tier. */
async function start(
  t: Parameters<typeof startIdentity>[0],
  database: Parameters<typeof startIdentity>[1],
  more: object = {},
): Promise<World> {
  const instance = await startIdentity(t, database, { trustProxy: true });
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const name of ["acme/free/app", "acme/free/db", "acme/paid/app"])
    await insertRepository(instance, name);
  await insertRepository(instance, "other/open", "public");
  const reply = await sendJson(instance, "POST", issuersOfAcme, ada, { name: "vendor", ...box, ...more });
  assert.equal(reply.status, 201, await reply.clone().text());
  return { ...instance, vendor: bearer(textField(await reply.json(), "secret")) };
}

async function issue(
  world: World,
  body: object,
  status = 201,
): Promise<{ id: string; username: string; secret: string; value: unknown }> {
  const reply = await sendJson(world, "POST", collection, world.vendor, body);
  const text = await reply.text();
  assert.equal(reply.status, status, text);
  const value: unknown = JSON.parse(text);
  if (status >= 400) return { id: "", username: "", secret: "", value };
  const credential = field(value, "credential");
  const secret = field(value, "secret");
  return {
    id: textField(credential, "id"),
    username: textField(credential, "username"),
    secret: typeof secret === "string" ? secret : "",
    value,
  };
}

const probe = async (world: TestIdentity, repository: string, authorization: string, action = "pull") =>
  (await world.fetch(`/v2/${repository}/probe/${action}`, { authorization })).status;

const patchIssuer = (world: World, body: object) =>
  sendJson(world, "PATCH", `${issuersOfAcme}/vendor`, ada, body);

eachDatabase((open) => {
  test("an issued credential reaches its repositories, and everything else looks absent to it", async (t) => {
    const world = await start(t, await open(t));
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
    const world = await start(t, await open(t));
    const replies = await Promise.all(
      Array.from({ length: 8 }, () =>
        sendJson(world, "POST", collection, world.vendor, { externalId: "acct-1" }),
      ),
    );
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
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
    const world = await start(t, await open(t));
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
    const world = await start(t, await open(t), {
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
    const world = await start(t, await open(t), { maxActive: 3 });
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        sendJson(world, "POST", collection, world.vendor, { externalId: String(index) }),
      ),
    );
    assert.equal(replies.filter(({ status }) => status === 201).length, 3);
    assert.equal(replies.filter(({ status }) => status === 403).length, 5);
  });

  test("an issuer can do nothing else, and cannot widen itself", async (t) => {
    const world = await start(t, await open(t));
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
    const world = await start(t, await open(t));
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
    const world = await start(t, await open(t));
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

  test("a revoked credential stops at once, and on another instance within a second", async (t) => {
    const url = await open.url(t);
    const world = await start(t, await open(t, { url }));
    const there = await startIdentity(t, await open(t, { url }), { clock: world.clock });
    const { id, username, secret } = await issue(world, { externalId: "1" });
    const shown = basic(username, secret);
    const token = bearer(await getToken(there, "repository:acme/free/app:pull", shown));
    for (const authorization of [shown, token])
      assert.equal(await probe(there, "acme/free/app", authorization), 204);
    await world.fetch(`${collection}/${id}`, { method: "DELETE", authorization: world.vendor });
    for (const authorization of [shown, token])
      assert.equal(await probe(world, "acme/free/app", authorization), 401);
    world.clock.move(1_000);
    for (const authorization of [shown, token])
      assert.equal(await probe(there, "acme/free/app", authorization), 401);
    const again = await issue(world, { externalId: "1" });
    assert.notEqual(again.id, id);
  });

  test("rotates with overlap, changes within the box, and takes a secret that was thought of outside", async (t) => {
    const world = await start(t, await open(t));
    const supplied = "Vq7#tLm2!xRw9@Zk4$Pn";
    const first = await issue(world, { externalId: "1", secret: supplied });
    const twin = await issue(world, { externalId: "2", secret: supplied });
    assert.equal(first.secret, supplied);
    for (const { username } of [first, twin])
      assert.equal(await probe(world, "acme/free/app", basic(username, supplied)), 204);
    assert.equal(await probe(world, "acme/free/app", basic("acme+vendor+nobody", supplied)), 401);
    const rotate = await sendJson(world, "POST", `${collection}/${first.id}/rotate`, world.vendor, {
      graceSeconds: 3_600,
    });
    const fresh = textField(await rotate.json(), "secret");
    for (const secret of [supplied, fresh])
      assert.equal(await probe(world, "acme/free/app", basic(first.username, secret)), 204);
    world.clock.move(hourMs);
    assert.equal(await probe(world, "acme/free/app", basic(first.username, supplied)), 401);
    assert.equal(await probe(world, "acme/free/app", basic(twin.username, supplied)), 204);
    const patch = (body: object) => sendJson(world, "PATCH", `${collection}/${first.id}`, world.vendor, body);
    assert.equal(
      (await patch({ scopes: [{ repositories: "acme/free/db", actions: ["pull"] }] })).status,
      200,
    );
    assert.equal(await probe(world, "acme/free/app", basic(first.username, fresh)), 403);
    assert.equal((await patch({ scopes: [{ repositories: "acme/**", actions: ["pull"] }] })).status, 403);
    assert.equal(
      (await patch({ isDisabled: true, description: "unpaid", labels: { tier: "free" } })).status,
      200,
    );
    assert.equal(await probe(world, "acme/free/db", basic(first.username, fresh)), 401);
  });

  test("wrong supplied secrets are counted, so that they cannot be tried out", async (t) => {
    const world = await start(t, await open(t));
    const { username } = await issue(world, { externalId: "1", secret: "Vq7#tLm2!xRw9@Zk4$Pn" });
    const statuses = new Set<number>();
    for (let index = 0; index < 200 && !statuses.has(429); index += 1) {
      const guess = basic(username, `guess-number-${index}-of-many`);
      statuses.add((await world.fetch("/v2/acme/free/app/probe/pull", { authorization: guess })).status);
    }
    assert.deepEqual([...statuses], [401, 429]);
  });

  test("lists by label, external id, expiry and disuse, page by page; another issuer sees none of it", async (t) => {
    const world = await start(t, await open(t));
    const nowMs = world.clock.nowMs();
    for (let index = 0; index < 5; index += 1) {
      await issue(world, {
        externalId: `c${index}`,
        labels: { tier: index % 2 === 0 ? "free" : "trial", region: "eu" },
        metadata: { crm: { id: index } },
        expiresAtMs: nowMs + (index + 1) * hourMs,
      });
    }
    const list = async (query: string, who = world.vendor) => {
      const value: unknown = await (
        await world.fetch(`${collection}${query}`, { authorization: who })
      ).json();
      const credentials = field(value, "credentials");
      assert.ok(Array.isArray(credentials), JSON.stringify(value));
      return {
        ids: credentials.map((each: unknown) => field(each, "externalId")),
        next: field(value, "next"),
        credentials,
      };
    };
    assert.deepEqual((await list("?label=tier=free")).ids, ["c0", "c2", "c4"]);
    assert.deepEqual((await list("?label=tier=fre")).ids, []);
    assert.deepEqual((await list("?externalId=c3")).ids, ["c3"]);
    assert.deepEqual((await list(`?expiringBefore=${nowMs + 2.5 * hourMs}`)).ids, ["c0", "c1"]);
    const first = await list("?label=region=eu&n=2");
    assert.deepEqual(first.ids, ["c0", "c1"]);
    const second = await list(textField({ next: first.next }, "next").slice(collection.length));
    assert.deepEqual(second.ids, ["c2", "c3"]);
    assert.deepEqual((await list(textField({ next: second.next }, "next").slice(collection.length))).ids, [
      "c4",
    ]);
    const made = await issue(world, { externalId: "used" });
    world.clock.move(hourMs / 2);
    await probe(world, "acme/free/app", basic(made.username, made.secret));
    const unused = await list(`?unusedSince=${nowMs + 1_000}`);
    assert.deepEqual(unused.ids, ["c0", "c1", "c2", "c3", "c4"]);
    assert.deepEqual(field(unused.credentials[1], "metadata"), { crm: { id: 1 } });
    const other = await sendJson(world, "POST", issuersOfAcme, ada, { name: "other", ...box });
    const stranger = bearer(textField(await other.json(), "secret"));
    assert.deepEqual((await list("", stranger)).ids, []);
    assert.equal((await world.fetch(`${collection}/${made.id}`, { authorization: stranger })).status, 404);
    const byLabel = await world.fetch(`${collection}?label=tier=free`, {
      method: "DELETE",
      authorization: stranger,
    });
    assert.deepEqual(await byLabel.json(), { revoked: 0 });
    const own = await world.fetch(`${collection}?label=tier=free`, {
      method: "DELETE",
      authorization: world.vendor,
    });
    assert.deepEqual(await own.json(), { revoked: 3 });
    assert.deepEqual((await list("")).ids, ["c1", "c3", "used"]);
    for (const bad of ["?label=x", "?last=x", "?unusedSince=x"]) {
      assert.equal(
        (await world.fetch(`${collection}${bad}`, { authorization: world.vendor })).status,
        400,
        bad,
      );
    }
  });

  test("what has long expired is removed with its account, and its external id is free again", async (t) => {
    const world = await start(t, await open(t));
    const { id } = await issue(world, { externalId: "1", expiresAtMs: world.clock.nowMs() + 1_000 });
    world.clock.move(29 * 24 * hourMs);
    await world.identity.prune();
    await issue(world, { externalId: "1" }, 200);
    world.clock.move(2 * 24 * hourMs);
    await world.identity.prune();
    assert.equal((await world.fetch(`${collection}/${id}`, { authorization: world.vendor })).status, 404);
    await issue(world, { externalId: "1" });
  });

  test("the audit has what was issued, and neither it nor the log has a secret", async (t) => {
    const world = await start(t, await open(t));
    const { id, secret } = await issue(world, { externalId: "1", metadata: { a: 1 } });
    const rotated = await sendJson(world, "POST", `${collection}/${id}/rotate`, world.vendor, {});
    const fresh = textField(await rotated.json(), "secret");
    await world.fetch(`${collection}/${id}`, { method: "DELETE", authorization: world.vendor });
    const audit = await world.database.read.selectFrom("audit_entries").selectAll().orderBy("id").execute();
    const actions = audit.filter(({ namespace }) => namespace === "acme").map(({ action }) => action);
    assert.deepEqual(
      actions.filter((action) => action.startsWith("issue")),
      ["issuer.create", "issued-credential.create", "issued-credential.rotate", "issued-credential.revoke"],
    );
    const written = JSON.stringify([audit, world.lines]);
    for (const text of [secret, fresh, world.vendor.slice("Bearer ".length)])
      assert.ok(!written.includes(text));
  });
});
