import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  password,
  sendJson,
  startIdentity,
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { type Keystone, missingKeystone, startKeystone } from "./testing/start-keystone.ts";

const ada = basic(administrator, password);
const path = "/api/v1/sign-in-providers/cloud";
const secret = "hopper of cobol";

describe("a real Keystone", { skip: missingKeystone() ?? false }, () => {
  let keystone: Keystone;
  let graceId: string;
  before(async () => {
    keystone = await startKeystone();
    const made = async (kind: string, fields: object) =>
      idIn(await keystone.manage("POST", `/${kind}s`, { [kind]: fields }), kind);
    const domainId = await made("domain", { name: "Corp" });
    const projectId = await made("project", { name: "images", domain_id: domainId });
    const groupId = await made("group", { name: "builders", domain_id: domainId });
    const person = { domain_id: domainId, password: secret };
    graceId = await made("user", { ...person, name: "grace", email: "grace@cloud.example" });
    await made("user", { ...person, name: "heidi", enabled: false });
    await keystone.manage("PUT", `/groups/${groupId}/users/${graceId}`);
    const { roles } = await keystone.manage("GET", "/roles?name=member");
    const roleId = Array.isArray(roles) && isObject(roles[0]) ? String(roles[0]["id"]) : "";
    await keystone.manage("PUT", `/projects/${projectId}/users/${graceId}/roles/${roleId}`);
  });
  after(() => keystone.stop());

  eachDatabase((open) => {
    async function setUp(t: TestContext, settings: object = {}, policy: object = {}) {
      const instance = await startIdentity(t, await open(t));
      await instance.identity.createUser({ username: administrator, password, isAdmin: true });
      const place = { url: `${keystone.origin}/`, domain: "Corp", allowPlainHttp: true };
      const body = { kind: "keystone", policy, settings: { ...place, ...settings } };
      assert.equal(await statusOf(sendJson(instance, "PUT", path, ada, body)), 201);
      const me = (name: string, shown: string) =>
        statusOf(instance.fetch("/api/v1/me", { authorization: basic(name, shown) }));
      return { instance, me };
    }

    test("signs in who is enabled there, and tells who they are", async (t) => {
      const { instance, me } = await setUp(t, { withGroups: true }, { requiredGroups: ["builders"] });
      assert.equal(await me("grace", "wrong"), 401);
      assert.equal(await me("heidi", secret), 401, "disabled there");
      assert.equal(await me("nobody", secret), 401);
      assert.equal(await me("grace", secret), 200);
      const tested = await sendJson(instance, "POST", `${path}/test`, ada, {
        username: "grace",
        password: secret,
      });
      const person = field(await tested.json(), "person");
      assert.deepEqual([field(person, "subject"), field(person, "username")], [graceId, "grace"]);
    });

    test("makes administrators of those with a role in a project, and takes nobody of another domain", async (t) => {
      const { instance, me } = await setUp(t, { project: "images" }, { adminGroups: ["role:member"] });
      assert.equal(await me("grace", secret), 200);
      const grace = await sendJson(instance, "GET", "/api/v1/users/grace", ada);
      assert.equal(field(await grace.json(), "isAdmin"), true);
      const elsewhere = await setUp(t, { domain: "Default" });
      assert.equal(await elsewhere.me("grace", secret), 401);
    });
  });
});

function idIn(reply: Readonly<Record<string, unknown>>, kind: string): string {
  const value = reply[kind];
  assert.ok(isObject(value));
  return String(value["id"]);
}
