import assert from "node:assert/strict";
import { before, type TestContext, test } from "node:test";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
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
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { corp, type DirectoryOptions, putDirectory } from "../testing/put-directory.ts";
import { group, groups, hasSlapd, people, personPassword, startSlapd } from "../testing/start-slapd.ts";

const ada = basic(administrator, password);
const devs = `cn=devs,${groups}`;
const dnOf = (uid: string) => `uid=${uid},${people}`;

let isThere = false;
before(async () => {
  isThere = await hasSlapd();
  if (!isThere) console.log("SKIP: /usr/sbin/slapd is not installed (apt-get install slapd)");
});

async function members(instance: TestIdentity): Promise<readonly string[]> {
  const reply = await sendJson(instance, "GET", "/api/v1/organizations/acme/teams/devs/members", ada);
  const list = field(await reply.json(), "members");
  assert.ok(Array.isArray(list));
  return list.map((one: unknown) => textField(one, "username")).sort((a, b) => a.localeCompare(b));
}

async function pass(instance: TestIdentity): Promise<unknown> {
  const reply = await sendJson(instance, "POST", `${corp}/sync`, ada);
  assert.equal(reply.status, 200);
  return reply.json();
}

eachDatabase((open) => {
  /** A team of acme that may push to acme/x and is bound to the group devs. */
  async function setUp(
    t: TestContext,
    options: DirectoryOptions & { readonly ldif?: string; readonly more?: number } = {},
  ) {
    const directory = await startSlapd(t, { ldif: group("devs", [dnOf("alan")]), ...options });
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    assert.equal(await statusOf(putDirectory(instance, directory, options)), 201);
    const send = (method: string, path: string, body: unknown) =>
      statusOf(sendJson(instance, method, path, ada, body));
    assert.equal(await send("POST", "/api/v1/organizations", { name: "acme" }), 201);
    assert.equal(
      await send("POST", "/api/v1/organizations/acme/teams", { name: "devs", role: "member" }),
      201,
    );
    await insertRepository(instance, "acme/x");
    assert.equal(
      await send("PUT", `${corp}/team-bindings`, { team: "acme/devs", group: `CN=devs, ${groups}` }),
      204,
    );
    return { directory, instance, send };
  }

  test("fills a team from a group, makes users for it, and takes out who left the group", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance } = await setUp(t);
    const first = await pass(instance);
    assert.equal(field(first, "created"), 1, JSON.stringify(first));
    assert.deepEqual(await members(instance), ["alan"]);
    await directory.modify(devs, { add: { member: [dnOf("barbara"), dnOf("carol")] } });
    assert.equal(field(await pass(instance), "created"), 2);
    assert.deepEqual(await members(instance), ["alan", "barbara", "carol"]);
    await directory.modify(devs, { remove: { member: dnOf("barbara") } });
    assert.equal(field(await pass(instance), "changed"), 1);
    assert.deepEqual(await members(instance), ["alan", "carol"]);
    assert.equal(
      await statusOf(
        instance.fetch("/api/v1/me", { authorization: basic("barbara", personPassword("barbara")) }),
      ),
      200,
      "who left the group is still somebody",
    );
    const quiet = await pass(instance);
    assert.deepEqual([field(quiet, "changed"), field(quiet, "created"), field(quiet, "lost")], [0, 0, 0]);
  });

  test("ends everything of somebody who left: password, access token, token already issued, membership", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance, send } = await setUp(t);
    await pass(instance);
    const grant = { pattern: "acme/**", team: "devs", role: "write" };
    assert.ok((await send("POST", "/api/v1/organizations/acme/grants", grant)) < 300);
    const alan = basic("alan", personPassword("alan"));
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", alan, { name: "laptop" });
    const secret = textField(await made.json(), "secret");
    const token = await getToken(instance, "repository:acme/x:pull,push", alan);
    const viaToken = await getToken(instance, "repository:acme/x:pull,push", bearer(secret));
    const probe = (authorization: string) =>
      statusOf(instance.fetch("/v2/acme/x/probe/push", { authorization }));
    for (const each of [alan, bearer(token), bearer(viaToken)]) assert.equal(await probe(each), 204);
    await instance.database.transaction(async (tx) => {
      const namespace = tx.selectFrom("namespaces").select("id").where("name", "=", "alan");
      const { id } = await namespace.executeTakeFirstOrThrow();
      const robot = { username: "alan+ci", kind: "robot", namespace_id: id, password_hash: null };
      await tx
        .insertInto("users")
        .values({ ...robot, is_admin: 0, is_disabled: 0, created_at_ms: 0 })
        .execute();
    });
    await directory.remove(dnOf("alan"));
    assert.equal(field(await pass(instance), "lost"), 1);
    const robots = await instance.database.read
      .selectFrom("users")
      .select("is_disabled")
      .where("username", "=", "alan+ci")
      .executeTakeFirst();
    assert.equal(robots?.is_disabled, 1, "the robots of their own namespace");
    for (const each of [alan, bearer(token), bearer(viaToken), bearer(secret), basic("alan", secret)]) {
      assert.equal(await probe(each), 401);
    }
    assert.deepEqual(await members(instance), []);
    const report = await sendJson(instance, "GET", `${corp}/identities?state=lost`, ada);
    const text = await report.text();
    assert.match(text, /"user":"alan","isUserDisabled":true,"isGoverning":true/);
    const audited = await instance.database.read
      .selectFrom("audit_entries")
      .select("target")
      .where("detail", "like", "%knows them no more%")
      .execute();
    assert.deepEqual(
      audited.map(({ target }) => target),
      ["user alan"],
    );
  });

  test("ends whom the filter leaves out, and lets them back in when the directory does", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const settings = { userFilter: "(&(objectClass=inetOrgPerson)(!(employeeType=disabled)))" };
    const { directory, instance } = await setUp(t, { settings });
    await pass(instance);
    const me = () =>
      statusOf(instance.fetch("/api/v1/me", { authorization: basic("alan", personPassword("alan")) }));
    assert.equal(await me(), 200);
    await directory.modify(dnOf("alan"), { add: { employeeType: "disabled" } });
    await pass(instance);
    assert.equal(await me(), 401);
    await directory.modify(dnOf("alan"), { remove: { employeeType: "disabled" } });
    await pass(instance);
    assert.equal(await me(), 200);
    assert.deepEqual(await members(instance), ["alan"]);
  });

  test("does not enable whom an administrator has disabled", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance, send } = await setUp(t);
    await pass(instance);
    assert.equal(await send("PATCH", "/api/v1/users/alan", { isDisabled: true }), 200);
    await directory.modify(dnOf("alan"), { replace: { mail: "new@corp.example" } });
    assert.equal(field(await pass(instance), "refused"), 1);
    const alan = await sendJson(instance, "GET", "/api/v1/users/alan", ada);
    assert.equal(field(await alan.json(), "isDisabled"), true);
  });

  test("leaves a user of ours who linked the directory when it loses them, but takes what it gave", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance } = await setUp(t);
    await instance.identity.createUser({ username: "dora", password, isAdmin: false });
    const dora = basic("dora", password);
    const login = { provider: "corp", username: "carol", password: personPassword("carol") };
    assert.equal(await statusOf(sendJson(instance, "POST", "/api/v1/me/identities", dora, login)), 201);
    await directory.modify(devs, { add: { member: dnOf("carol") } });
    await pass(instance);
    assert.deepEqual(await members(instance), ["alan", "dora"]);
    await directory.remove(dnOf("carol"));
    await pass(instance);
    assert.deepEqual(await members(instance), ["alan"]);
    assert.equal(await statusOf(instance.fetch("/api/v1/me", { authorization: dora })), 200);
  });

  test("pages through more people than the directory gives at once", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    // The directory gives at most 500 at once; the last one is on the third page.
    const ldif = group("devs", [dnOf("u0001"), dnOf("u1200")]);
    const { instance } = await setUp(t, { more: 1_200, ldif });
    const report = await pass(instance);
    assert.equal(field(report, "created"), 2, JSON.stringify(report));
    assert.deepEqual(await members(instance), ["u0001", "u1200"]);
    const list = await sendJson(instance, "GET", `${corp}/identities?n=1`, ada);
    const next = textField(await list.json(), "next");
    const rest = await sendJson(instance, "GET", next, ada);
    assert.equal(field(await rest.json(), "next"), null);
  });

  test("does nothing when a directory would lose more than its share, and says so", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const all = Array.from({ length: 10 }, (_, n) => dnOf(`u${String(n + 1).padStart(4, "0")}`));
    const { directory, instance } = await setUp(t, { more: 10, ldif: group("devs", all) });
    assert.equal(field(await pass(instance), "created"), 10);
    await putDirectory(instance, directory, { settings: { userFilter: "(uid=nobody)" } });
    const report = await pass(instance);
    assert.equal(field(report, "ok"), false);
    assert.match(textField(report, "message"), /10 of 10/);
    assert.equal((await members(instance)).length, 10);
    assert.ok(
      instance.lines.some(({ level, message }) => level === "error" && message.includes("did nothing")),
    );
  });

  test("leaves a team as it is when its group is gone, and says which", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance } = await setUp(t);
    await pass(instance);
    await directory.remove(devs);
    assert.deepEqual(field(await pass(instance), "missingGroups"), [devs]);
    assert.deepEqual(await members(instance), ["alan"]);
  });

  test("answers 503 and keeps what it knew when the directory is down", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { directory, instance } = await setUp(t);
    await pass(instance);
    await directory.stop();
    assert.equal(await statusOf(sendJson(instance, "POST", `${corp}/sync`, ada)), 503);
    assert.deepEqual(await members(instance), ["alan"]);
    const provider = await sendJson(instance, "GET", corp, ada);
    assert.equal(field(field(await provider.json(), "syncReport"), "ok"), false);
  });

  test("takes out who came by the group when the binding or the provider goes", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, send } = await setUp(t);
    await pass(instance);
    const binding = { team: "acme/devs", group: devs };
    assert.equal(await send("DELETE", `${corp}/team-bindings`, binding), 204);
    assert.deepEqual(await members(instance), []);
    assert.equal(await send("DELETE", `${corp}/team-bindings`, binding), 404);
    assert.equal(await send("PUT", `${corp}/team-bindings`, binding), 204);
    assert.deepEqual(await members(instance), ["alan"], "at once, as the groups are known");
    assert.equal(await statusOf(sendJson(instance, "DELETE", corp, ada)), 204);
    assert.deepEqual(await members(instance), []);
  });

  test("reads memberships from people where the directory writes them there", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    // `seeAlso` stands in for memberOf, which this server computes only with an overlay.
    const settings = { groups: { from: "user-attribute", attribute: "seeAlso" } };
    const { directory, instance } = await setUp(t, { settings, ldif: group("devs", [dnOf("alan")]) });
    await directory.modify(dnOf("barbara"), { add: { seeAlso: `cn=core,${groups}` } });
    await directory.add(`cn=core,${groups}`, {
      objectClass: "groupOfNames",
      cn: "core",
      member: dnOf("barbara"),
      seeAlso: devs,
    });
    await pass(instance);
    assert.deepEqual(await members(instance), ["barbara"], "through a group in the group");
  });

  test("lets nobody unlink what their account was made by, or their last way in", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    await pass(instance);
    const alan = basic("alan", personPassword("alan"));
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", alan, { name: "laptop" });
    const token = bearer(textField(await made.json(), "secret"));
    const unlink = (id: unknown) =>
      statusOf(sendJson(instance, "DELETE", `/api/v1/me/identities/${String(id)}`, token));
    const list: unknown = await (await sendJson(instance, "GET", "/api/v1/me/identities", token)).json();
    const own = field(list, "identities");
    assert.ok(Array.isArray(own));
    const [first] = own.map((one: unknown) => field(one, "id"));
    assert.equal(await unlink(first), 403);
    const wrong = { provider: "corp", username: "carol", password: "wrong" };
    assert.equal(await statusOf(sendJson(instance, "POST", "/api/v1/me/identities", token, wrong)), 401);
    const right = { ...wrong, password: personPassword("carol") };
    const linked = await sendJson(instance, "POST", "/api/v1/me/identities", token, right);
    const second = field(field(await linked.json(), "identity"), "id");
    assert.equal(
      await statusOf(sendJson(instance, "DELETE", `${corp}/identities/${String(first)}`, ada)),
      204,
    );
    assert.equal(await unlink(second), 409);
  });
});
