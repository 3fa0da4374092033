import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { type House, startHouse } from "../testing/start-house.ts";
import { basic, bearer, field, getToken, insertRepository, password } from "../testing/start-identity.ts";

const acme = "/api/v1/organizations/acme";
const grants = `${acme}/grants`;

type Start = Parameters<typeof startHouse>;

/** Bob administers acme, mia is in its team `staff`, the others are strangers. */
async function start(t: Start[0], database: Start[1]): Promise<House> {
  const house = await startHouse(t, database, ["bob", "mia", "otto", "audrey"]);
  await house.as("ada", "PATCH", "/api/v1/users/audrey", { isAuditor: true });
  await house.as("bob", "POST", "/api/v1/organizations", { name: "acme" });
  await house.as("bob", "POST", `${acme}/teams`, { name: "staff" });
  await house.as("bob", "PUT", `${acme}/teams/staff/members/mia`);
  for (const name of ["acme/app/one", "acme/app/two", "acme/web", "other/app/one"]) {
    await insertRepository(house.instance, name);
  }
  return house;
}

async function listed(house: House, who: string, query = ""): Promise<readonly string[]> {
  const { status, body } = await house.as(who, "GET", `${grants}${query}`);
  assert.equal(status, 200, who);
  const found = field(body, "grants");
  assert.ok(Array.isArray(found));
  return found.map((grant) =>
    [
      field(grant, "username") ?? `team ${String(field(grant, "team"))}`,
      field(grant, "role"),
      field(grant, "pattern") ?? field(grant, "repository"),
    ].join(" "),
  );
}

eachDatabase((open) => {
  test("a grant on a path reaches what is below it, there or not yet, and nothing else", async (t) => {
    const house = await start(t, await open(t));
    const grant = { pattern: "acme/app/**", username: "otto", role: "write" };
    assert.equal((await house.as("bob", "POST", grants, grant)).status, 201);
    const write = ["pull", "push", "delete"];
    for (const name of ["acme/app/one", "acme/app/two", "acme/app/new/deep"]) {
      assert.deepEqual(await house.rights("otto", name), write, name);
    }
    for (const name of ["acme/app", "acme/web", "acme/apple/one", "other/app/one", "app/one"]) {
      assert.deepEqual(await house.rights("otto", name), [], name);
    }
    assert.equal(
      (await house.as("bob", "POST", grants, { ...grant, role: "read" })).status,
      200,
      "in its place",
    );
    assert.deepEqual(await house.rights("otto", "acme/app/one"), ["pull"]);
    const token = bearer(
      await getToken(house.instance, "repository:acme/app/one:pull", basic("otto", password)),
    );
    assert.deepEqual(await house.rights(token, "acme/app/one"), ["pull"]);
    const gone = `${grants}?pattern=${encodeURIComponent("acme/app/**")}&username=otto`;
    assert.equal((await house.as("bob", "DELETE", gone)).status, 204);
    assert.deepEqual(await house.rights(token, "acme/app/one"), []);
    assert.equal((await house.as("bob", "DELETE", gone)).status, 404);
  });

  test("refuses patterns that reach out of the namespace, and grants for nobody or for two", async (t) => {
    const house = await start(t, await open(t));
    const post = async (body: object) =>
      (await house.as("bob", "POST", grants, { username: "otto", role: "read", ...body })).status;
    for (const pattern of ["other/**", "*/**", "**", "acm*/x", "acme", "*", "acme/**/x", "ACME/x", ""]) {
      assert.equal(await post({ pattern }), 400, pattern);
    }
    assert.equal(await post({ pattern: "acme/**", team: "staff" }), 400);
    assert.equal(await post({ pattern: "acme/**", username: undefined }), 400);
    assert.equal(await post({ pattern: "acme/**", username: undefined, team: "none" }), 404);
    assert.equal(await post({ pattern: "acme/**", username: "nobody" }), 404);
    assert.equal(await post({ pattern: "acme/**", expiresAtMs: 1 }), 400);
    assert.equal((await house.as("bob", "DELETE", `${grants}?username=otto`)).status, 400);
    assert.deepEqual(await listed(house, "bob"), []);
    assert.deepEqual(await house.rights("otto", "other/app/one"), []);
  });

  test("somebody from outside with read on one repository sees that one only", async (t) => {
    const house = await start(t, await open(t));
    const path = "/api/v1/repositories/acme/app/one/-/grants/users/otto";
    assert.equal((await house.as("bob", "PUT", path, { role: "read" })).status, 200);
    assert.deepEqual(await house.rights("otto", "acme/app/one"), ["pull"]);
    assert.deepEqual(await house.rights("otto", "acme/app/two"), []);
    assert.deepEqual((await house.as("otto", "GET", "/v2/_catalog")).body, ["acme/app/one"]);
    assert.equal((await house.as("otto", "GET", acme)).status, 403, "nothing of the organization");
    const organizations = await house.as("otto", "GET", "/api/v1/organizations");
    assert.deepEqual(field(organizations.body, "organizations"), []);
    const outside = await house.as("bob", "GET", `${acme}/collaborators`);
    assert.deepEqual(field(outside.body, "collaborators"), [{ username: "otto", kind: "person", grants: 1 }]);
    await house.as("bob", "PUT", `${acme}/teams/staff/members/otto`);
    const inside = await house.as("bob", "GET", `${acme}/collaborators`);
    assert.deepEqual(field(inside.body, "collaborators"), [], "members are no collaborators");
  });

  test("administrators and auditors see all grants, members those that concern them", async (t) => {
    const house = await start(t, await open(t));
    await house.as("bob", "POST", grants, { pattern: "acme/app/**", team: "staff", role: "write" });
    await house.as("bob", "POST", grants, { pattern: "acme/**", username: "otto", role: "read" });
    const path = "/api/v1/repositories/acme/web/-/grants/users/otto";
    await house.as("bob", "PUT", path, { role: "admin" });
    const onPaths = ["team staff write acme/app/**", "otto read acme/**"];
    for (const who of ["bob", "ada", "audrey"]) {
      assert.deepEqual(await listed(house, who), onPaths, who);
      assert.deepEqual(await listed(house, who, "?repositories=true"), [...onPaths, "otto admin acme/web"]);
    }
    assert.deepEqual(await listed(house, "mia", "?repositories=true"), ["team staff write acme/app/**"]);
    assert.equal((await house.as("otto", "GET", grants)).status, 403);
    assert.equal(
      (await house.as("mia", "POST", grants, { pattern: "acme/**", username: "mia", role: "admin" })).status,
      403,
    );
    assert.equal((await house.as("audrey", "POST", grants, {})).status, 403);
    const first = await house.as("bob", "GET", `${grants}?n=1&repositories=true`);
    const next = String(field(first.body, "next"));
    assert.match(next, /\?repositories=true&n=1&last=\d+$/);
    assert.equal((await house.as("bob", "GET", next)).status, 200);
    assert.equal((await house.as("bob", "GET", `${grants}?last=x`)).status, 400);
  });

  test("a user shares paths of their own namespace", async (t) => {
    const house = await start(t, await open(t));
    const own = "/api/v1/organizations/mia/grants";
    const grant = { pattern: "mia/shared/**", username: "otto", role: "read" };
    assert.equal((await house.as("mia", "POST", own, grant)).status, 201);
    assert.equal((await house.as("otto", "POST", own, { ...grant, role: "admin" })).status, 403);
    await house.instance.database.transaction(async (tx) => {
      const { id } = await tx
        .selectFrom("namespaces")
        .select("id")
        .where("name", "=", "mia")
        .executeTakeFirstOrThrow();
      for (const name of ["mia/shared/x", "mia/secret"]) {
        await tx
          .insertInto("repositories")
          .values({ name, namespace_id: id, visibility: "private", created_at_ms: 0 })
          .execute();
      }
    });
    assert.deepEqual(await house.rights("otto", "mia/shared/x"), ["pull"]);
    assert.deepEqual(await house.rights("otto", "mia/secret"), []);
  });

  test("keeps what new repositories start with", async (t) => {
    const house = await start(t, await open(t));
    const defaults = `${acme}/default-grants`;
    const made = await house.as("bob", "POST", defaults, { team: "staff", role: "read" });
    assert.equal(made.status, 201);
    const id = Number(field(made.body, "id"));
    assert.deepEqual(made.body, {
      id,
      creator: null,
      username: null,
      team: "staff",
      role: "read",
      createdAtMs: house.instance.clock.nowMs(),
    });
    assert.equal((await house.as("bob", "POST", defaults, { team: "staff", role: "write" })).status, 409);
    const forMia = { creator: "mia", username: "otto", role: "write" };
    assert.equal((await house.as("bob", "POST", defaults, forMia)).status, 201);
    assert.equal((await house.as("bob", "PATCH", `${defaults}/${id}`, { role: "write" })).status, 200);
    const shown = field((await house.as("mia", "GET", defaults)).body, "defaultGrants");
    assert.ok(Array.isArray(shown));
    assert.deepEqual(
      shown.map((one) => [field(one, "creator"), field(one, "role")]),
      [
        [null, "write"],
        ["mia", "write"],
      ],
    );
    for (const bad of ["x", "999999", "1".repeat(30)]) {
      assert.equal((await house.as("bob", "DELETE", `${defaults}/${bad}`)).status, 404, bad);
    }
    const elsewhere = "/api/v1/organizations/mia/default-grants";
    assert.equal((await house.as("mia", "DELETE", `${elsewhere}/${id}`)).status, 404, "of another namespace");
    assert.equal((await house.as("mia", "DELETE", `${defaults}/${id}`)).status, 403);
    assert.equal((await house.as("bob", "DELETE", `${defaults}/${id}`)).status, 204);
  });
});
