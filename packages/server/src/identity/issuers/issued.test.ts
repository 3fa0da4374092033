import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { holdNamespace } from "../../access/namespace-alias-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import {
  basic,
  bearer,
  field,
  getToken,
  sendJson,
  startIdentity,
  textField,
} from "../testing/start-identity.ts";
import {
  ada,
  box,
  collection,
  hourMs,
  issue,
  issuersOfAcme,
  probe,
  startIssuer,
} from "../testing/start-issuer.ts";

eachDatabase((open) => {
  test("a revoked credential stops at once, and on another instance within a second", async (t) => {
    const url = await open.url(t);
    const world = await startIssuer(t, await open(t, { url }));
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
    const world = await startIssuer(t, await open(t));
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
    const world = await startIssuer(t, await open(t));
    const { username } = await issue(world, { externalId: "1", secret: "Vq7#tLm2!xRw9@Zk4$Pn" });
    const statuses = new Set<number>();
    for (let index = 0; index < 200 && !statuses.has(429); index += 1) {
      const guess = basic(username, `guess-number-${index}-of-many`);
      statuses.add((await world.fetch("/v2/acme/free/app/probe/pull", { authorization: guess })).status);
    }
    assert.deepEqual([...statuses], [401, 429]);
  });

  test("lists by label, external id, expiry and disuse, page by page; another issuer sees none of it", async (t) => {
    const world = await startIssuer(t, await open(t));
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
    const world = await startIssuer(t, await open(t));
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
    const world = await startIssuer(t, await open(t));
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

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("a credential whose life is prolonged at the moment when it would be forgotten stays", async (t) => {
    const world = await startIssuer(t, await open(t));
    const { database, clock } = world;
    const { username, secret } = await issue(world, { expiresAtMs: clock.nowMs() + hourMs });
    clock.move(400 * 24 * hourMs);
    const letGo = await holdTransaction(database, (tx) =>
      tx
        .updateTable("access_tokens")
        .set({ expires_at_ms: clock.nowMs() + hourMs })
        .where("kind", "=", "issued")
        .execute(),
    );
    const pruning = world.identity.prune();
    await untilWaiting(database, 1, pruning);
    await letGo();
    await pruning;
    assert.equal(await probe(world, "acme/free/app", basic(username, secret)), 204);
  });

  test("what is issued while the organization is renamed is called by its new name", async (t) => {
    const world = await startIssuer(t, await open(t));
    const { database } = world;
    const letGo = await holdTransaction(database, async (tx) => {
      await holdNamespace(tx, "acme");
      await tx.updateTable("namespaces").set({ name: "apex" }).where("name", "=", "acme").execute();
      await tx
        .updateTable("users")
        .set({ username: sql<string>`'apex' || substr(username, 5)` })
        .where("username", "like", "acme+%")
        .execute();
    });
    const issuing = issue(world, { externalId: "1" });
    await untilWaiting(database, 1, issuing);
    await letGo();
    assert.match((await issuing).username, /^apex\+/);
  });
});
