import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../../storage/database/testing/held-transaction.ts";
import {
  administrator,
  basic,
  field,
  password,
  sendJson,
  startIdentity,
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { listProviders, lockProvider } from "../provider-store.ts";
import { deleteBinding, findTeamId, insertBinding, settleMemberships } from "../team-binding-store.ts";
import { type DoubleReply, type DoubleRequest, serveDouble } from "../testing/serve-double.ts";

const ada = basic(administrator, password);
const path = "/api/v1/sign-in-providers/cloud";
const users = {
  grace: {
    id: "9fe1d3",
    password: "hopper of cobol",
    email: "grace@cloud.example",
    groups: ["builders"],
    enabled: true,
  },
  heidi: { id: "77aa00", password: "heidi in the hills", email: undefined, groups: [], enabled: false },
};
type Name = keyof typeof users;

/** https://docs.openstack.org/api-ref/identity/v3/ and v2: tokens by password, the user, its groups, giving a token back. */
async function serveKeystone(t: TestContext) {
  const tokens = new Map<string, Name>();
  const refusal: DoubleReply = { status: 401, json: { error: { code: 401, title: "Unauthorized" } } };
  const find = (name: unknown, secret: unknown): Name | undefined =>
    (name === "grace" || name === "heidi") && users[name].password === secret && users[name].enabled
      ? name
      : undefined;

  function newToken(request: DoubleRequest): DoubleReply {
    const auth = deep(JSON.parse(request.body), "auth");
    const user = deep(auth, "identity", "password", "user");
    const isOurs =
      deep(user, "domain", "name") === "Corp" && String(deep(auth, "identity", "methods")) === "password";
    const name = find(deep(user, "name"), deep(user, "password"));
    if (name === undefined || !isOurs) return refusal;
    const project = deep(auth, "scope", "project", "name");
    const id = randomUUID();
    tokens.set(id, name);
    const token = {
      methods: ["password"],
      expires_at: "2030-01-01T00:00:00.000000Z",
      user: { id: users[name].id, name, domain: { id: "c0", name: "Corp" } },
      ...(project === "images" ? { roles: [{ id: "r1", name: "member" }] } : {}),
    };
    return { status: 201, headers: { "x-subject-token": id }, json: { token } };
  }

  function version2(request: DoubleRequest): DoubleReply {
    const { username, password: secret } = Object(
      deep(JSON.parse(request.body), "auth", "passwordCredentials"),
    );
    const name = find(username, secret);
    if (name === undefined) return refusal;
    const user = { id: users[name].id, username: name, name, roles: [{ name: "member" }] };
    return { status: 200, json: { access: { token: { id: randomUUID() }, user } } };
  }

  const double = await serveDouble(t, (request) => {
    const { method, path: asked } = request;
    if (method === "GET" && (asked === "/v3" || asked === "/v2.0"))
      return { status: 200, json: { version: {} } };
    if (method === "POST" && asked === "/v3/auth/tokens") return newToken(request);
    if (method === "POST" && asked === "/v2.0/tokens") return version2(request);
    const name = tokens.get(request.header("x-auth-token") ?? "");
    if (name === undefined) return refusal;
    if (method === "DELETE" && asked === "/v3/auth/tokens") {
      tokens.delete(request.header("x-subject-token") ?? "");
      return { status: 204 };
    }
    const { id, email, groups } = users[name];
    if (asked === `/v3/users/${id}`)
      return { status: 200, json: { user: { id, name, email, enabled: true } } };
    if (asked === `/v3/users/${id}/groups`) {
      return { status: 200, json: { groups: groups.map((group) => ({ id: group, name: group })) } };
    }
    return { status: 404, json: {} };
  });
  return { ...double, tokens };
}

function deep(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>((found, name) => (isObject(found) ? found[name] : undefined), value);
}

eachDatabase((open) => {
  async function setUp(t: TestContext, settings: object = {}, policy: object = {}) {
    const keystone = await serveKeystone(t);
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const body = {
      kind: "keystone",
      policy,
      settings: { url: `${keystone.origin}/`, domain: "Corp", allowPlainHttp: true, ...settings },
    };
    assert.equal(await statusOf(sendJson(instance, "PUT", path, ada, body)), 201);
    const me = (name: string, secret: string) =>
      statusOf(instance.fetch("/api/v1/me", { authorization: basic(name, secret) }));
    return { keystone, instance, me };
  }

  test("signs somebody in by Keystone v3 in its domain, and gives the token back", async (t) => {
    const { keystone, instance, me } = await setUp(t, { withGroups: true }, { requiredGroups: ["builders"] });
    assert.equal(await me("grace", "wrong"), 401);
    assert.equal(await me("grace", ""), 401);
    assert.equal(await me("heidi", users.heidi.password), 401, "disabled there");
    assert.equal(await me("grace", users.grace.password), 200);
    assert.equal(keystone.tokens.size, 0);
    assert.ok(!JSON.stringify(instance.lines).includes(users.grace.password));
    const tested = await sendJson(instance, "POST", `${path}/test`, ada, {
      username: "grace",
      password: users.grace.password,
    });
    const person = field(await tested.json(), "person");
    assert.deepEqual(person, {
      subject: "9fe1d3",
      username: "grace",
      email: "grace@cloud.example",
      groups: ["builders"],
    });
  });

  test("takes nobody of another domain", async (t) => {
    const { me } = await setUp(t, { domain: "Default" });
    assert.equal(await me("grace", users.grace.password), 401);
  });

  test("makes administrators of those with a role in a project", async (t) => {
    const { instance, me } = await setUp(t, { project: "images" }, { adminGroups: ["role:member"] });
    assert.equal(await me("grace", users.grace.password), 200);
    const grace = await sendJson(instance, "GET", "/api/v1/users/grace", ada);
    assert.equal(field(await grace.json(), "isAdmin"), true);
  });

  test("signs somebody in by Keystone v2", async (t) => {
    const { me } = await setUp(t, { version: 2, project: "images" });
    assert.equal(await me("grace", "wrong"), 401);
    assert.equal(await me("grace", users.grace.password), 200);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("who signs in while a team is unbound from their group is not in it afterwards", async (t) => {
    const { instance, me } = await setUp(t, { withGroups: true });
    const { database } = instance;
    assert.equal(await me("grace", users.grace.password), 200);
    for (const [where, name] of [
      ["", "acme"],
      ["/acme/teams", "staff"],
    ] as const) {
      const made = sendJson(instance, "POST", `/api/v1/organizations${where}`, ada, { name });
      assert.equal(await statusOf(made), 201);
    }
    const teamId = (await findTeamId(database.read, { namespace: "acme", team: "staff" })) ?? 0;
    const { id: providerId = 0 } = (await listProviders(database.read))[0] ?? {};
    const binding = { teamId, providerId, group: "builders" };
    await database.transaction(async (tx) => {
      await tx.deleteFrom("identity_groups").execute(); // as of the time before she came into the group
      await insertBinding(tx, binding, 0);
    });
    const letGo = await holdTransaction(database, async (tx) => {
      await lockProvider(tx, "cloud");
      await deleteBinding(tx, binding);
      await settleMemberships(tx, { teamId }, 0);
    });
    const elsewhere = await startIdentity(t, database); // it remembers no sign-in
    const authorization = basic("grace", users.grace.password);
    const signingIn = statusOf(elsewhere.fetch("/api/v1/me", { authorization }));
    await untilWaiting(database, 1, signingIn);
    await letGo();
    assert.equal(await signingIn, 200);
    const members = await database.read
      .selectFrom("team_members")
      .select("user_id")
      .where("team_id", "=", teamId)
      .where("origin", "=", "sync")
      .execute();
    assert.deepEqual(members, []);
  });
});
