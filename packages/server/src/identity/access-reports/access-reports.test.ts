import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { upsertGrant } from "../../access/grant-store.ts";
import type { Role } from "../../access/roles.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const path = "/api/v1/repositories/acme/app/-/access";
const dayMs = 86_400_000;

async function start(t: TestContext, database: Database): Promise<TestIdentity> {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const username of ["bob", "carol"]) {
    await instance.identity.createUser({ username, password, isAdmin: false });
  }
  await insertRepository(instance, "acme/app");
  return instance;
}

/** What an explanation says of one action. */
async function explain(instance: TestIdentity, username: string, action: string, repository = "acme/app") {
  const address = `/api/v1/repositories/${repository}/-/access/${username}?action=${action}`;
  const reply = await instance.fetch(address, { authorization: ada });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  const [only] = field(JSON.parse(text), "actions") as readonly unknown[]; // as: the field is an array
  const because = field(only, "because") as readonly { readonly sentence: string }[]; // as: the schema
  return {
    isAllowed: field(only, "isAllowed"),
    because: because.map(({ sentence }) => sentence),
    whyNot: field(only, "whyNot"),
  };
}

async function change(
  instance: TestIdentity,
  set: (tx: Parameters<typeof upsertGrant>[0]) => Promise<unknown>,
) {
  await instance.database.transaction(async (tx) => {
    await set(tx);
    await bumpAccessVersion(tx);
  });
  instance.access.changed();
}

/** A team of carol's, with a grant on a path. */
async function grantTeam(instance: TestIdentity, role: Role, pattern: string, expiresAtMs?: number) {
  const { read } = instance.database;
  const acme = await read
    .selectFrom("namespaces")
    .select("id")
    .where("name", "=", "acme")
    .executeTakeFirstOrThrow();
  const carol = await read
    .selectFrom("users")
    .select("id")
    .where("username", "=", "carol")
    .executeTakeFirstOrThrow();
  await change(instance, async (tx) => {
    const { id } = await tx
      .insertInto("teams")
      .values({ namespace_id: acme.id, name: "release", role: "member", description: "", created_at_ms: 0 })
      .returning("id")
      .executeTakeFirstOrThrow();
    const member = { team_id: id, user_id: carol.id, origin: "manual", added_at_ms: 0 };
    await tx.insertInto("team_members").values(member).execute();
    await upsertGrant(tx, {
      subject: { teamId: id },
      place: { pattern: parseRepositoryPattern(pattern) },
      namespaceId: acme.id,
      role,
      expiresAtMs,
      nowMs: 0,
      createdBy: "ada",
    });
  });
}

eachDatabase((open) => {
  test("says what gives an action: rank, grant, team, pattern and end", async (t) => {
    const instance = await start(t, await open(t));
    const grants = "/api/v1/repositories/acme/app/-/grants";
    await sendJson(instance, "PUT", `${grants}/users/bob`, ada, { role: "read" });
    await grantTeam(instance, "write", "acme/**", instance.clock.nowMs() + dayMs);
    const because = async (username: string, action: string) =>
      (await explain(instance, username, action)).because;
    assert.deepEqual(await because("ada", "admin"), ["is an administrator of the registry"]);
    assert.deepEqual(await because("bob", "pull"), ["the grant 1 of read on acme/app to bob"]);
    const until = new Date(instance.clock.nowMs() + dayMs).toISOString();
    assert.deepEqual(await because("carol", "push"), [
      `the grant 2 of write on acme/** to the team release, until ${until}`,
    ]);
    const own = await explain(instance, "bob", "push", "bob/new");
    assert.deepEqual(own, { isAllowed: true, because: ["owns the namespace"], whyNot: [] });
  });

  test("says why not: nothing gives it, it has ended, the state forbids it, the account is no good", async (t) => {
    const instance = await start(t, await open(t));
    const none = "no grant, team, ownership or visibility gives";
    assert.deepEqual(await explain(instance, "bob", "push"), {
      isAllowed: false,
      because: [],
      whyNot: [`${none} push`],
    });
    assert.deepEqual((await explain(instance, "anonymous", "pull")).whyNot, [
      "nothing lets anybody pull without signing in",
    ]);
    const endMs = instance.clock.nowMs() + dayMs;
    await grantTeam(instance, "write", "acme/**", endMs);
    instance.clock.move(dayMs);
    assert.deepEqual((await explain(instance, "carol", "push")).whyNot, [
      `the grant 1 of write on acme/** to the team release, until ${new Date(endMs).toISOString()} has ended`,
      `${none} push`,
    ]);
    assert.deepEqual((await explain(instance, "carol", "admin")).whyNot, [`${none} admin`], "it gave less");
    await change(instance, (tx) => tx.updateTable("repositories").set({ state: "frozen" }).execute());
    assert.deepEqual(await explain(instance, "ada", "push"), {
      isAllowed: false,
      because: ["is an administrator of the registry"],
      whyNot: ["the repository is frozen"],
    });
    await sendJson(instance, "PATCH", "/api/v1/users/carol", ada, { isDisabled: true });
    assert.equal((await explain(instance, "carol", "pull")).isAllowed, false);
    const [why] = (await explain(instance, "carol", "pull")).whyNot as readonly string[]; // as: the schema
    assert.equal(why, "the account is disabled");
    await change(instance, (tx) =>
      tx.updateTable("users").set({ is_disabled: 0, expires_at_ms: 1 }).execute(),
    );
    await instance.identity.createUser({ username: "admin2", password, isAdmin: true });
    await change(instance, (tx) => tx.updateTable("namespaces").set({ create_on_push: 0 }).execute());
    const reply = await instance.fetch("/api/v1/repositories/bob/new/-/access/bob", {
      authorization: basic("admin2", password),
    });
    const actions = field(await reply.json(), "actions") as readonly unknown[]; // as: the schema
    const pushed = actions.map((each) => field(each, "whyNot"))[1];
    assert.deepEqual(pushed, [
      "the account has expired",
      "there is no such repository, and a push creates none in the namespace",
      `${none} push`,
    ]);
  });

  test("says what visibility and team ranks give", async (t) => {
    const instance = await start(t, await open(t));
    await change(instance, (tx) => tx.updateTable("repositories").set({ visibility: "internal" }).execute());
    assert.deepEqual((await explain(instance, "bob", "pull")).because, ["the repository is internal"]);
    await grantTeam(instance, "read", "other/**");
    await change(instance, (tx) => tx.updateTable("teams").set({ role: "creator" }).execute());
    assert.deepEqual((await explain(instance, "carol", "push", "acme/new")).because, [
      "is in a team that may create repositories in the namespace",
    ]);
    await change(instance, (tx) => tx.updateTable("teams").set({ role: "admin" }).execute());
    assert.deepEqual((await explain(instance, "carol", "admin")).because, [
      "is in a team that administers the namespace",
    ]);
  });

  test("lists everything that reaches a repository, by pages, and nothing of its neighbours", async (t) => {
    const instance = await start(t, await open(t));
    await insertRepository(instance, "acme/app2");
    await sendJson(instance, "PUT", "/api/v1/repositories/acme/app/-/grants/users/bob", ada, {
      role: "read",
    });
    await sendJson(instance, "PUT", "/api/v1/repositories/acme/app2/-/grants/users/bob", ada, {
      role: "admin",
    });
    await grantTeam(instance, "write", "acme/ap*");
    const bob = await instance.database.read
      .selectFrom("users")
      .select("id")
      .where("username", "=", "bob")
      .executeTakeFirstOrThrow();
    const general = {
      subject: { userId: bob.id },
      role: "read",
      expiresAtMs: 1,
      nowMs: 0,
      createdBy: "",
    } as const;
    await change(instance, async (tx) => {
      for (const pattern of ["**", "acme/app/**", "acme/b*"]) {
        const place = { pattern: parseRepositoryPattern(pattern) };
        await upsertGrant(tx, { ...general, namespaceId: undefined, place });
      }
    });
    const found: unknown[] = [];
    for (let next: unknown = `${path}?n=1`; typeof next === "string"; ) {
      const page: unknown = await (await instance.fetch(next, { authorization: ada })).json();
      found.push(...(field(page, "grants") as readonly unknown[])); // as: the schema
      next = field(page, "next");
    }
    const grant = { team: null, username: null, expiresAtMs: null, isElevation: false };
    assert.deepEqual(found, [
      { ...grant, id: 1, username: "bob", place: "acme/app", role: "read" },
      { ...grant, id: 3, team: "release", place: "acme/ap*", role: "write" },
      { ...grant, id: 4, username: "bob", place: "**", role: "read", expiresAtMs: 1 },
    ]);
    const empty: unknown = await (await instance.fetch(`${path}?n=0`, { authorization: ada })).json();
    assert.deepEqual(empty, { grants: [], next: null });
  });

  test("tells administrators of the repository and auditors, and nobody else", async (t) => {
    const instance = await start(t, await open(t));
    const status = async (authorization?: string, address = path) => {
      const reply = await instance.fetch(address, authorization === undefined ? {} : { authorization });
      await reply.text();
      return reply.status;
    };
    const bob = basic("bob", password);
    for (const address of [path, `${path}/carol`]) {
      assert.equal(await status(undefined, address), 401);
      for (const role of ["read", "write"]) {
        await sendJson(instance, "PUT", "/api/v1/repositories/acme/app/-/grants/users/bob", ada, { role });
        assert.equal(await status(bob, address), 403, role);
      }
      await sendJson(instance, "PUT", "/api/v1/repositories/acme/app/-/grants/users/bob", ada, {
        role: "admin",
      });
      assert.equal(await status(bob, address), 200);
    }
    await sendJson(instance, "PATCH", "/api/v1/users/carol", ada, { isAuditor: true });
    const carol = basic("carol", password);
    assert.equal(await status(carol), 200);
    assert.equal(await status(carol, "/api/v1/repositories/acme/none/-/access"), 404);
    assert.equal(await status(bob, "/api/v1/repositories/acme/none/-/access"), 403);
    assert.equal(await status(ada, `${path}/nobody`), 404);
    assert.equal(await status(ada, `${path}/bob?action=all`), 400);
    assert.equal(await status(ada, `${path}?last=x`), 400);
  });
});
