import assert from "node:assert/strict";
import { test } from "node:test";
import { insertNamespaceAlias } from "../../access/namespace-alias-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { type House, startHouse } from "../testing/start-house.ts";
import { basic, bearer, field, getToken, insertRepository, password } from "../testing/start-identity.ts";
import { lockNamespace } from "./namespace-store.ts";

const collection = "/api/v1/organizations";

async function names(house: House, who: string, query = ""): Promise<readonly unknown[]> {
  const { status, body } = await house.as(who, "GET", `${collection}${query}`);
  assert.equal(status, 200);
  const organizations = field(body, "organizations");
  assert.ok(Array.isArray(organizations));
  return organizations.map((organization) => field(organization, "name"));
}

eachDatabase((open) => {
  test("creates an organization whose first team administers it, with its creator in it", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const made = await house.as("bob", "POST", collection, {
      name: "acme",
      displayName: "Acme, Inc.",
      email: "Hello@Acme.Test",
      defaultVisibility: "internal",
    });
    assert.deepEqual(
      [made.status, made.body],
      [
        201,
        {
          name: "acme",
          kind: "organization",
          displayName: "Acme, Inc.",
          description: "",
          email: "hello@acme.test",
          defaultVisibility: "internal",
          createOnPush: true,
          createdAtMs: house.instance.clock.nowMs(),
        },
      ],
    );
    assert.deepEqual((await house.as("bob", "GET", `${collection}/acme`)).body, made.body);
    assert.deepEqual((await house.as("bob", "GET", "/api/v1/organizations/acme")).body, made.body);
    const teams = field((await house.as("bob", "GET", `${collection}/acme/teams`)).body, "teams");
    assert.deepEqual(teams, [
      { name: "owners", role: "admin", description: "", createdAtMs: house.instance.clock.nowMs() },
    ]);
    const members = await house.as("bob", "GET", `${collection}/acme/teams/owners/members`);
    assert.deepEqual(field(members.body, "members"), [
      { username: "bob", kind: "person", origin: "manual", addedAtMs: house.instance.clock.nowMs() },
    ]);
    assert.deepEqual(await house.rights("bob", "acme/new"), ["pull", "push", "delete", "admin"]);
    assert.deepEqual(await house.audited(), ["organization.create"]);
  });

  test("takes names of 2 to 255 lower-case characters that nobody has or had, and no others", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const { database } = house.instance;
    const create = async (name: string, who = "bob") =>
      (await house.as(who, "POST", collection, { name })).status;
    for (const good of ["ab", "a1", "a.b", "a-b", "a__b", "9to5", "x".repeat(255)]) {
      assert.equal(await create(good), 201, good);
    }
    const bad = ["", "a", "Acme", "acme!", "a/b", "-a", "a-", "a..b", "acmé", "a b", "a+b", "x".repeat(256)];
    for (const name of [...bad, "a\0b", "v2", "api", "token", "library"]) {
      assert.equal(await create(name), 400, JSON.stringify(name));
    }
    for (const taken of ["ab", "ada", "bob"]) assert.equal(await create(taken), 409, taken);
    await database.transaction((tx) =>
      tx
        .insertInto("namespace_aliases")
        .values({ name: "kept", namespace_id: null, created_at_ms: 0 })
        .execute(),
    );
    assert.equal(await create("kept"), 409);
    assert.equal(await create("library", "ada"), 201, "the default namespace is an administrator's");
    assert.equal((await house.as("ada", "POST", "/api/v1/users", { username: "ab", password })).status, 409);
  });

  test("refuses an e-mail address that one of its administrators has", async (t) => {
    const house = await startHouse(t, await open(t), ["bob", "carol"]);
    await house.instance.database.transaction(async (tx) => {
      await tx.updateTable("users").set({ email: "bob@acme.test" }).where("username", "=", "bob").execute();
      await tx.updateTable("users").set({ email: "eve@acme.test" }).where("username", "=", "carol").execute();
    });
    const create = (email: string) => house.as("bob", "POST", collection, { name: "acme", email });
    assert.equal((await create("Bob@Acme.test")).status, 400);
    assert.equal((await create("no address")).status, 400);
    assert.equal((await house.as("bob", "GET", `${collection}/acme`)).status, 403, "nothing was made");
    assert.equal((await create("us@acme.test")).status, 201);
    const patch = (who: string, email: string | null) =>
      house.as(who, "PATCH", `${collection}/acme`, { email });
    assert.equal((await patch("bob", "bob@acme.test")).status, 400);
    assert.equal((await patch("ada", "bob@acme.test")).status, 400, "whoever asks");
    assert.equal((await patch("bob", "eve@acme.test")).status, 200, "carol is not of it");
    assert.equal(field((await patch("bob", null)).body, "email"), null);
  });

  test("lets only administrators create where it is set so", async (t) => {
    const options = { organizations: { createdBy: "administrators" } } as const;
    const house = await startHouse(t, await open(t), ["bob"], options);
    assert.equal((await house.as("bob", "POST", collection, { name: "acme" })).status, 403);
    assert.equal((await house.as("ada", "POST", collection, { name: "acme" })).status, 201);
    assert.equal((await house.as("", "POST", collection)).status, 401);
  });

  test("shows members theirs, auditors and administrators all, and strangers nothing", async (t) => {
    const house = await startHouse(t, await open(t), ["bob", "carol", "audrey"]);
    await house.as("ada", "PATCH", "/api/v1/users/audrey", { isAuditor: true });
    for (const name of ["beta", "acme"]) await house.as("bob", "POST", collection, { name });
    await house.as("carol", "POST", collection, { name: "carols" });
    assert.deepEqual(await names(house, "bob"), ["acme", "beta"]);
    assert.deepEqual(await names(house, "carol"), ["carols"]);
    for (const who of ["ada", "audrey"])
      assert.deepEqual(await names(house, who), ["acme", "beta", "carols"]);
    assert.deepEqual(await names(house, "bob", "?n=1"), ["acme"]);
    assert.deepEqual(await names(house, "bob", "?n=1&last=acme"), ["beta"]);
    const token = bearer(await getToken(house.instance, "", basic("bob", password)));
    assert.deepEqual(await names(house, token), [], "a bearer token is for repositories");
    for (const path of ["acme", "nothing", "a%00b", "A%2Fb"]) {
      const stranger = await house.as("carol", "GET", `${collection}/${path}`);
      assert.equal(stranger.status, 403, path);
    }
    assert.equal((await house.as("audrey", "GET", `${collection}/acme`)).status, 200);
    assert.equal((await house.as("audrey", "PATCH", `${collection}/acme`, {})).status, 403);
    assert.equal((await house.as("ada", "GET", `${collection}/nothing`)).status, 404);
    assert.equal((await house.as("ada", "GET", `${collection}/a%00b`)).status, 404);
  });

  test("shows and changes a user's own namespace, which cannot be deleted by itself", async (t) => {
    const house = await startHouse(t, await open(t), ["bob", "carol"]);
    const own = await house.as("bob", "GET", "/api/v1/organizations/bob");
    assert.equal(field(own.body, "kind"), "user");
    const change = { defaultVisibility: "public", createOnPush: false, description: "mine" };
    const changed = await house.as("bob", "PATCH", `${collection}/bob`, change);
    assert.deepEqual(
      [field(changed.body, "createOnPush"), field(changed.body, "description")],
      [false, "mine"],
    );
    assert.deepEqual(await house.rights("bob", "bob/new"), ["pull", "delete", "admin"]);
    assert.equal((await house.as("carol", "PATCH", `${collection}/bob`, change)).status, 403);
    assert.equal((await house.as("bob", "DELETE", `${collection}/bob`)).status, 404);
    assert.equal((await house.as("bob", "POST", `${collection}/bob/teams`, { name: "x" })).status, 400);
  });

  test("deletes an organization without repositories with all that hangs on it, and frees the name", async (t) => {
    const house = await startHouse(t, await open(t), ["bob", "carol"]);
    const { database } = house.instance;
    await house.as("bob", "POST", collection, { name: "acme" });
    await insertRepository(house.instance, "acme/x");
    const grant = { pattern: "acme/**", username: "carol", role: "write" };
    assert.equal((await house.as("bob", "POST", `${collection}/acme/grants`, grant)).status, 201);
    const refused = await house.as("bob", "DELETE", `${collection}/acme`);
    assert.equal(refused.status, 409);
    assert.match(String(field(refused.body, "detail")), /has repositories/);
    await database.transaction((tx) => tx.deleteFrom("repositories").execute());
    assert.equal((await house.as("carol", "DELETE", `${collection}/acme`)).status, 403);
    assert.equal((await house.as("bob", "DELETE", `${collection}/acme`)).status, 204);
    for (const table of ["teams", "grants"] as const) {
      assert.deepEqual(await database.read.selectFrom(table).select("id").execute(), [], table);
    }
    assert.equal((await house.as("bob", "GET", `${collection}/acme`)).status, 403);
    assert.equal((await house.as("carol", "POST", collection, { name: "acme" })).status, 201);
  });

  test("makes one organization of several of one name that are asked for at once", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const replies = await Promise.all(
      Array.from({ length: 4 }, () => house.as("bob", "POST", collection, { name: "acme" })),
    );
    assert.deepEqual(
      replies.map((reply) => reply.status).sort((left, right) => left - right),
      [201, 409, 409, 409],
    );
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("does not take a name whose owner is being renamed: it is kept", async (t) => {
    const house = await startHouse(t, await open(t), ["bob", "eve"]);
    const { database } = house.instance;
    await house.as("bob", "POST", collection, { name: "acme" });
    const letGo = await holdTransaction(database, async (tx) => {
      const namespace = await lockNamespace(tx, "acme");
      await tx.updateTable("namespaces").set({ name: "apex" }).where("name", "=", "acme").execute();
      await insertNamespaceAlias(tx, { name: "acme", namespaceId: namespace?.id ?? 0, nowMs: 0 });
    });
    const creating = house.as("eve", "POST", collection, { name: "acme" });
    await untilWaiting(database, 1, creating);
    await letGo();
    assert.equal((await creating).status, 409);
    assert.deepEqual(await names(house, "ada"), ["apex"]);
  });
});
