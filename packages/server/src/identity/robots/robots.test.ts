import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { type House, houseOf, startHouse } from "../testing/start-house.ts";
import {
  basic,
  bearer,
  field,
  getToken,
  insertRepository,
  startIdentity,
  textField,
} from "../testing/start-identity.ts";

const acme = "/api/v1/organizations/acme";
const robots = `${acme}/robots`;

type Start = Parameters<typeof startHouse>;

/** Bob administers acme, mia is in its team `staff`, otto is a stranger. */
async function start(t: Start[0], database: Start[1], options: Start[3] = {}): Promise<House> {
  const house = await startHouse(t, database, ["bob", "mia", "otto"], options);
  await house.as("bob", "POST", "/api/v1/organizations", { name: "acme" });
  await house.as("bob", "POST", `${acme}/teams`, { name: "staff" });
  await house.as("bob", "PUT", `${acme}/teams/staff/members/mia`);
  await insertRepository(house.instance, "acme/app");
  await insertRepository(house.instance, "acme/web");
  return house;
}

/** Makes the robot acme+ci and tells how it signs in. */
async function makeRobot(house: House, more: object = {}): Promise<string> {
  const made = await house.as("bob", "POST", robots, { name: "ci", ...more });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return basic("acme+ci", textField(made.body, "secret"));
}

const grantOn = (repository: string) => `/api/v1/repositories/${repository}/-/grants/users/acme+ci`;

eachDatabase((open) => {
  test("a robot may nothing, and then what it is granted on many repositories and by its team", async (t) => {
    const house = await start(t, await open(t));
    const ci = await makeRobot(house);
    assert.deepEqual(await house.rights(ci, "acme/app"), []);
    assert.equal((await house.as("bob", "PUT", grantOn("acme/app"), { role: "write" })).status, 200);
    assert.equal((await house.as("bob", "PUT", grantOn("acme/web"), { role: "read" })).status, 200);
    assert.deepEqual(await house.rights(ci, "acme/app"), ["pull", "push", "delete"]);
    assert.deepEqual(await house.rights(ci, "acme/web"), ["pull"]);
    const listed = await house.as("bob", "GET", "/api/v1/repositories/acme/app/-/grants");
    assert.deepEqual(field(listed.body, "users"), []);
    assert.match(JSON.stringify(field(listed.body, "robots")), /"username":"acme\+ci","role":"write"/);
    await house.as("bob", "DELETE", grantOn("acme/web"));
    assert.deepEqual(await house.rights(ci, "acme/web"), []);
    await house.as("bob", "POST", `${acme}/grants`, { pattern: "acme/**", team: "staff", role: "read" });
    assert.equal((await house.as("bob", "PUT", `${acme}/teams/staff/members/acme+ci`)).status, 204);
    assert.deepEqual(await house.rights(ci, "acme/web"), ["pull"]);
    const outside = await house.as("bob", "GET", `${acme}/collaborators`);
    assert.deepEqual(field(outside.body, "collaborators"), [], "the organization's own are no collaborators");
  });

  test("a robot manages repositories by its grants, and nothing of its own or of the house", async (t) => {
    const house = await start(t, await open(t));
    const ci = await makeRobot(house);
    await house.as("bob", "PUT", grantOn("acme/app"), { role: "admin" });
    const grant = "/api/v1/repositories/acme/app/-/grants/users/otto";
    assert.equal((await house.as(ci, "PUT", grant, { role: "read" })).status, 200);
    assert.equal((await house.as(ci, "GET", "/api/v1/me")).status, 200);
    for (const [method, path] of [
      ["GET", "/api/v1/me/access-tokens"],
      ["POST", "/api/v1/me/access-tokens"],
      ["POST", "/api/v1/organizations"],
      ["GET", robots],
      ["POST", robots],
      ["GET", "/api/v1/users"],
      ["GET", "/api/v1/me/invitations"],
    ] as const) {
      assert.equal((await house.as(ci, method, path, method === "POST" ? {} : undefined)).status, 403, path);
    }
    assert.equal(
      (await house.as("bob", "POST", `${acme}/teams/staff/invitations`, { username: "acme+ci" })).status,
      400,
    );
    assert.equal((await house.as("ada", "PATCH", "/api/v1/users/acme+ci", { isAdmin: true })).status, 400);
  });

  test("disabling a robot refuses it and its issued tokens at once, on another instance within a second", async (t) => {
    const url = await open.url(t);
    const house = await start(t, await open(t, { url }));
    const other = houseOf(await startIdentity(t, await open(t, { url })));
    const ci = await makeRobot(house);
    await house.as("bob", "PUT", grantOn("acme/app"), { role: "read" });
    const token = bearer(await getToken(house.instance, "repository:acme/app:pull", ci));
    for (const at of [house, other]) assert.deepEqual(await at.rights(token, "acme/app"), ["pull"]);
    const disable = (isDisabled: boolean) => house.as("bob", "PATCH", `${robots}/ci`, { isDisabled });
    assert.equal(field((await disable(true)).body, "isDisabled"), true);
    assert.deepEqual(await house.rights(token, "acme/app"), []);
    assert.equal((await house.as(ci, "GET", "/api/v1/me")).status, 401);
    other.instance.clock.move(1_000);
    assert.deepEqual(await other.rights(token, "acme/app"), []);
    await disable(false);
    assert.deepEqual(await house.rights(token, "acme/app"), ["pull"]);
    assert.equal((await house.as("bob", "DELETE", `${robots}/ci`)).status, 204);
    assert.deepEqual(await house.rights(token, "acme/app"), []);
    assert.equal((await house.as("bob", "GET", `${robots}/ci`)).status, 404);
    const again = await makeRobot(house);
    assert.deepEqual(
      await house.rights(again, "acme/app"),
      [],
      "a new one of the name has nothing of the old one's",
    );
  });

  test("a secret is replaced without a gap, or at once", async (t) => {
    const house = await start(t, await open(t));
    const { clock } = house.instance;
    const first = await makeRobot(house);
    const rotate = async (body: object) => {
      const reply = await house.as("bob", "POST", `${robots}/ci/rotate`, body);
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
      return basic("acme+ci", textField(reply.body, "secret"));
    };
    const isGood = async (secret: string) => (await house.as(secret, "GET", "/api/v1/me")).status === 200;
    const second = await rotate({ graceSeconds: 60 });
    assert.deepEqual([await isGood(first), await isGood(second)], [true, true]);
    clock.move(60_000);
    assert.deepEqual([await isGood(first), await isGood(second)], [false, true]);
    const third = await rotate({ graceSeconds: 0 });
    assert.deepEqual([await isGood(second), await isGood(third)], [false, true]);
    const fourth = await rotate({});
    const shown = await house.as("bob", "GET", `${robots}/ci`);
    const secrets = field(shown.body, "secrets");
    assert.ok(Array.isArray(secrets) && secrets.length === 2);
    assert.equal(JSON.stringify(shown.body).includes("secret_hash"), false);
    const old = String(field(secrets[0], "id"));
    assert.equal((await house.as("bob", "DELETE", `${robots}/ci/secrets/${old}`)).status, 204);
    assert.deepEqual([await isGood(third), await isGood(fourth)], [false, true]);
  });

  test("takes a secret that the caller has thought of, if it is hard to guess", async (t) => {
    const house = await start(t, await open(t));
    const create = (secret: string) => house.as("bob", "POST", robots, { name: "ci", secret });
    for (const weak of [
      "short",
      "aaaaaaaaaaaaaaaaaaaaaaaa",
      "acmeacmeacmeacmeacmeacme",
      "passwordpasswordpassword",
    ]) {
      const refused = await create(weak);
      assert.equal(refused.status, 400, weak);
      assert.equal(JSON.stringify(refused.body).includes(weak), false);
    }
    const secret = "vK3.xw9-Tq7_mZ2+bR8!hL5";
    assert.equal((await create(secret)).status, 201);
    assert.equal((await house.as(basic("acme+ci", secret), "GET", "/api/v1/me")).status, 200);
    assert.equal((await house.as(basic("acme+ci", `${secret}x`), "GET", "/api/v1/me")).status, 401);
    assert.equal(
      (await house.as("bob", "POST", robots, { name: "cd", secret })).status,
      201,
      "no word of the other's",
    );
    assert.equal((await house.as(basic("mia", secret), "GET", "/api/v1/me")).status, 401);
  });

  test("a robot of a user goes with the user: disabled, run out, deleted", async (t) => {
    const house = await start(t, await open(t));
    const own = "/api/v1/organizations/mia/robots";
    const made = await house.as("mia", "POST", own, { name: "ci" });
    const ci = basic("mia+ci", textField(made.body, "secret"));
    const isGood = async () => (await house.as(ci, "GET", "/api/v1/me")).status === 200;
    assert.equal(await isGood(), true);
    assert.equal((await house.as("otto", "POST", own, { name: "cd" })).status, 403);
    await house.as("ada", "PATCH", "/api/v1/users/mia", { isDisabled: true });
    assert.equal(await isGood(), false);
    await house.as("ada", "PATCH", "/api/v1/users/mia", { isDisabled: false });
    assert.equal(await isGood(), true);
    assert.equal((await house.as("ada", "DELETE", "/api/v1/users/mia")).status, 204);
    assert.equal(await isGood(), false);
    const left = await house.instance.database.read.selectFrom("users").select("username").execute();
    assert.deepEqual(left.map((row) => row.username).sort(), ["ada", "bob", "otto"]);
  });

  test("keeps what is said of a robot, within bounds; it ends when its time does", async (t) => {
    const house = await start(t, await open(t), { organizations: { maxRobotDays: 90 } });
    const { clock } = house.instance;
    const dayMs = 86_400_000;
    const create = async (body: object) =>
      (await house.as("bob", "POST", robots, { name: "ci", ...body })).status;
    const expiresAtMs = clock.nowMs() + 90 * dayMs;
    assert.equal(await create({}), 400, "for good is forbidden here");
    assert.equal(await create({ expiresAtMs: expiresAtMs + 1 }), 400);
    assert.equal(await create({ expiresAtMs: clock.nowMs() }), 400);
    assert.equal(await create({ expiresAtMs, metadata: { text: "x".repeat(4_096) } }), 400);
    assert.equal(await create({ expiresAtMs, networks: ["nowhere"] }), 400);
    assert.equal(await create({ expiresAtMs, scopes: [{ repositories: "a//b", actions: ["pull"] }] }), 400);
    for (const name of ["", "CI", "a+b", "a/b", "-a", "x".repeat(65)]) {
      assert.equal(await create({ expiresAtMs, name }), 400, name);
    }
    const metadata = { ticket: "OPS-1", contacts: ["mia"] };
    const ci = await makeRobot(house, { expiresAtMs, metadata, description: "builds" });
    assert.equal(await create({ expiresAtMs }), 409);
    const shown = await house.as("mia", "GET", `${robots}/ci`);
    assert.deepEqual(
      [field(shown.body, "metadata"), field(shown.body, "description"), field(shown.body, "createdBy")],
      [metadata, "builds", "bob"],
    );
    assert.equal((await house.as("bob", "PATCH", `${robots}/ci`, { expiresAtMs: null })).status, 400);
    assert.equal((await house.as("mia", "PATCH", `${robots}/ci`, { description: "" })).status, 403);
    assert.equal((await house.as("otto", "GET", robots)).status, 403);
    const listed = field((await house.as("mia", "GET", robots)).body, "robots");
    assert.ok(Array.isArray(listed) && listed.length === 1);
    clock.move(90 * dayMs);
    assert.equal((await house.as(ci, "GET", "/api/v1/me")).status, 401);
    const entries = await house.instance.database.read
      .selectFrom("audit_entries")
      .selectAll()
      .where("action", "like", "robot.%")
      .execute();
    assert.deepEqual(
      entries.map(({ action, target }) => [action, target]),
      [["robot.create", "robot acme+ci"]],
    );
  });

  test("a limited robot's secret carries its scopes, from its networks", async (t) => {
    const house = await start(t, await open(t));
    const scopes = [{ repositories: "acme/app", actions: ["pull"] }];
    const ci = await makeRobot(house, { scopes });
    await house.as("bob", "POST", `${acme}/grants`, {
      pattern: "acme/**",
      username: "acme+ci",
      role: "admin",
    });
    assert.deepEqual(await house.rights(ci, "acme/app"), ["pull"]);
    assert.deepEqual(await house.rights(ci, "acme/web"), []);
    assert.equal(
      (await house.as("bob", "PATCH", `${robots}/ci`, { networks: ["192.0.2.0/24"] })).status,
      200,
    );
    assert.equal((await house.as(ci, "GET", "/api/v1/me")).status, 401);
    assert.equal((await house.as("bob", "PATCH", `${robots}/ci`, { networks: null })).status, 200);
    assert.deepEqual(await house.rights(ci, "acme/app"), ["pull"]);
  });
});
