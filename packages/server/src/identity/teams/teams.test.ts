import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { type House, houseOf, startHouse } from "../testing/start-house.ts";
import { administrator, field, insertRepository, startIdentity } from "../testing/start-identity.ts";

const acme = "/api/v1/organizations/acme";

type Start = Parameters<typeof startHouse>;

/** Bob administers acme; the others are people. */
async function start(t: Start[0], database: Start[1], ...others: readonly string[]): Promise<House> {
  const house = await startHouse(t, database, ["bob", ...others]);
  assert.equal((await house.as("bob", "POST", "/api/v1/organizations", { name: "acme" })).status, 201);
  return house;
}

async function makeTeam(house: House, name: string, role: string, ...members: readonly string[]) {
  assert.equal((await house.as("bob", "POST", `${acme}/teams`, { name, role })).status, 201);
  for (const member of members) {
    assert.equal((await house.as("bob", "PUT", `${acme}/teams/${name}/members/${member}`)).status, 204);
  }
}

const all = ["pull", "push", "delete", "admin"];

eachDatabase((open) => {
  test("a team's role gives what it says in the organization and nothing else", async (t) => {
    const house = await start(t, await open(t), "mia", "cleo", "amy", "stranger");
    await insertRepository(house.instance, "acme/app");
    await insertRepository(house.instance, "other/app");
    await makeTeam(house, "members", "member", "mia");
    await makeTeam(house, "creators", "creator", "cleo");
    await makeTeam(house, "admins", "admin", "amy");
    // The repository of the organization, one that is not there yet, and one elsewhere.
    const table: readonly (readonly [string, readonly string[], readonly string[], number, number])[] = [
      ["stranger", [], [], 403, 403],
      ["mia", [], [], 200, 403],
      ["cleo", [], ["pull", "push"], 200, 403],
      ["amy", all, all, 200, 200],
    ];
    for (const [who, existing, fresh, views, administers] of table) {
      assert.deepEqual(await house.rights(who, "acme/app"), existing, who);
      assert.deepEqual(await house.rights(who, "acme/new"), fresh, who);
      assert.deepEqual(await house.rights(who, "other/app"), [], who);
      assert.equal((await house.as(who, "GET", `${acme}/teams`)).status, views, who);
      assert.equal((await house.as(who, "PATCH", acme, {})).status, administers, who);
      assert.equal(
        (await house.as(who, "PUT", `${acme}/teams/admins/members/${who}`)).status,
        administers === 200 ? 204 : 403,
      );
    }
  });

  test("what is granted to a team is its members', from when they are in it to when they are not", async (t) => {
    const house = await start(t, await open(t), "mia", "cleo");
    await insertRepository(house.instance, "acme/app");
    await makeTeam(house, "release", "member", "mia");
    const grant = "/api/v1/repositories/acme/app/-/grants/teams/release";
    assert.equal((await house.as("bob", "PUT", grant, { role: "write" })).status, 200);
    assert.deepEqual(await house.rights("mia", "acme/app"), ["pull", "push", "delete"]);
    assert.deepEqual(await house.rights("cleo", "acme/app"), []);
    const members = `${acme}/teams/release/members`;
    assert.equal((await house.as("bob", "PUT", `${members}/cleo`)).status, 204);
    assert.equal((await house.as("bob", "PUT", `${members}/cleo`)).status, 204, "may be repeated");
    assert.deepEqual(await house.rights("cleo", "acme/app"), ["pull", "push", "delete"]);
    assert.equal((await house.as("bob", "DELETE", `${members}/mia`)).status, 204);
    assert.deepEqual(await house.rights("mia", "acme/app"), []);
    assert.equal((await house.as("bob", "DELETE", `${members}/mia`)).status, 404);
    assert.equal((await house.as("bob", "PATCH", `${acme}/teams/release`, { name: "crew" })).status, 200);
    assert.deepEqual(await house.rights("cleo", "acme/app"), ["pull", "push", "delete"], "renamed");
    assert.equal((await house.as("bob", "DELETE", `${acme}/teams/crew`)).status, 204);
    assert.deepEqual(await house.rights("cleo", "acme/app"), []);
    const entries = await house.audited();
    for (const action of [
      "team.create",
      "team.add-member",
      "team.remove-member",
      "team.update",
      "team.delete",
    ]) {
      assert.ok(entries.includes(action), action);
    }
    assert.equal(
      entries.filter((action) => action === "team.add-member").length,
      2,
      "the repeated one is none",
    );
  });

  test("refuses names, roles, members and teams that are none", async (t) => {
    const house = await start(t, await open(t), "mia");
    const create = async (body: object) => (await house.as("bob", "POST", `${acme}/teams`, body)).status;
    for (const name of ["", "Release", "a/b", "a b", "-a", "x".repeat(65), "a\0b"]) {
      assert.equal(await create({ name }), 400, name);
    }
    assert.equal(await create({ name: "x", role: "owner" }), 400);
    assert.equal(await create({ name: "owners" }), 409);
    await makeTeam(house, "release", "member");
    assert.equal((await house.as("bob", "PATCH", `${acme}/teams/release`, { name: "owners" })).status, 409);
    for (const path of ["teams/none", "teams/a%00b", "teams/none/members"]) {
      assert.equal((await house.as("bob", "GET", `${acme}/${path}`)).status, 404, path);
    }
    for (const nobody of ["nobody", "a%00b", "NO", "acme+nobody"]) {
      assert.equal((await house.as("bob", "PUT", `${acme}/teams/release/members/${nobody}`)).status, 404);
    }
    for (const kind of ["issued", "issuer"]) {
      await house.instance.database.transaction((tx) =>
        tx
          .insertInto("users")
          .values({
            username: kind,
            kind,
            password_hash: null,
            is_admin: 0,
            is_disabled: 0,
            created_at_ms: 0,
          })
          .execute(),
      );
      assert.equal((await house.as("bob", "PUT", `${acme}/teams/release/members/${kind}`)).status, 404);
    }
  });

  test("the last who can administer an organization is not removed, demoted or deleted", async (t) => {
    const house = await start(t, await open(t), "carol");
    const refused = async (method: string, path: string, body?: object, who = "bob") => {
      const reply = await house.as(who, method, path, body);
      assert.equal(reply.status, 409, path);
      assert.match(String(field(reply.body, "detail")), /administer/);
    };
    await refused("DELETE", `${acme}/teams/owners/members/bob`);
    await refused("DELETE", `${acme}/teams/owners`);
    await refused("PATCH", `${acme}/teams/owners`, { role: "creator" });
    await refused("DELETE", "/api/v1/users/bob", undefined, administrator);
    // Somebody who cannot sign in is no way to administer it.
    await makeTeam(house, "second", "admin", "carol");
    await house.as(administrator, "PATCH", "/api/v1/users/carol", { isDisabled: true });
    await refused("DELETE", `${acme}/teams/owners`);
    await house.as(administrator, "PATCH", "/api/v1/users/carol", { isDisabled: false });
    assert.equal((await house.as("bob", "DELETE", `${acme}/teams/owners`)).status, 204);
    await refused("DELETE", `${acme}/teams/second/members/carol`, undefined, "carol");
    assert.equal((await house.as(administrator, "DELETE", "/api/v1/users/bob")).status, 204);
  });

  test("two administrators who remove each other at once, on two instances, leave one", async (t) => {
    const url = await open.url(t);
    const house = await start(t, await open(t, { url }), "carol", "dave", "erin");
    const other = houseOf(await startIdentity(t, await open(t, { url })));
    for (const name of ["carol", "dave", "erin"]) {
      await house.as("bob", "PUT", `${acme}/teams/owners/members/${name}`);
    }
    const people = ["bob", "carol", "dave", "erin"];
    const statuses = await Promise.all(
      people.map(async (who, index) => {
        const target = people[(index + 1) % people.length];
        const at = index % 2 === 0 ? house : other;
        return (await at.as(who, "DELETE", `${acme}/teams/owners/members/${target}`)).status;
      }),
    );
    assert.deepEqual(
      statuses.filter((status) => ![204, 403, 404, 409].includes(status)),
      [],
    );
    const left = await house.as(administrator, "GET", `${acme}/teams/owners/members`);
    const members = field(left.body, "members");
    assert.ok(Array.isArray(members) && members.length >= 1);
  });

  test("where groups of a directory fill a team, nobody puts people in by hand, and nobody takes out theirs", async (t) => {
    const house = await start(t, await open(t), "carol", "dave");
    const { database, access, clock } = house.instance;
    await makeTeam(house, "staff", "member", "carol");
    await database.transaction(async (tx) => {
      const { id: providerId } = await tx
        .insertInto("sign_in_providers")
        .values({
          name: "directory",
          kind: "ldap",
          display_name: "Directory",
          position: 1,
          is_enabled: 1,
          policy: "{}",
          settings: "{}",
          secrets: null,
          created_at_ms: 0,
          updated_at_ms: 0,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      const team = tx.selectFrom("teams").select("id").where("name", "=", "staff");
      const dave = tx.selectFrom("users").select("id").where("username", "=", "dave");
      const { id: teamId } = await team.executeTakeFirstOrThrow();
      const { id: userId } = await dave.executeTakeFirstOrThrow();
      const binding = { team_id: teamId, provider_id: providerId, group_name: "staff", created_at_ms: 0 };
      await tx.insertInto("team_bindings").values(binding).execute();
      const member = { team_id: teamId, user_id: userId, origin: "sync", added_at_ms: 0 };
      await tx.insertInto("team_members").values(member).execute();
    });
    access.changed();
    const members = `${acme}/teams/staff/members`;
    const shown = await house.as("bob", "GET", members);
    assert.deepEqual(field(shown.body, "members"), [
      { username: "carol", kind: "person", origin: "manual", addedAtMs: clock.nowMs() },
      { username: "dave", kind: "person", origin: "sync", addedAtMs: 0 },
    ]);
    assert.equal((await house.as("bob", "PUT", `${members}/bob`)).status, 409);
    assert.equal(
      (await house.as("bob", "POST", `${acme}/teams/staff/invitations`, { username: "bob" })).status,
      409,
    );
    assert.equal((await house.as("bob", "DELETE", `${members}/dave`)).status, 409);
    assert.equal(
      (await house.as("bob", "DELETE", `${members}/carol`)).status,
      204,
      "who was put in by hand before",
    );
  });

  test("lists teams and members by pages", async (t) => {
    const house = await start(t, await open(t), "carol");
    await makeTeam(house, "alpha", "member", "carol", "bob");
    const first = await house.as("bob", "GET", `${acme}/teams?n=1`);
    const next = field(first.body, "next");
    assert.equal(next, `${acme}/teams?n=1&last=alpha`);
    assert.equal(field((await house.as("bob", "GET", String(next))).body, "next"), null);
    const members = await house.as("carol", "GET", `${acme}/teams/alpha/members?n=1`);
    assert.equal(field(members.body, "next"), `${acme}/teams/alpha/members?n=1&last=bob`);
  });
});
