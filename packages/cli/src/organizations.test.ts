import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot org, team and grant", () => {
  let registry: SignedInRegistry;

  before(async () => {
    registry = await startSignedInRegistry();
    await registry.addUser("anna", "a good long one 7");
  });
  after(async () => registry.stop());

  const run = (...args: string[]) => registry.run(...args);
  const lines = (...args: string[]) => registry.lines(...args);

  it("makes an organization with teams and members, grants on paths, and takes it all back", async () => {
    assert.deepEqual(await lines("org", "create", "acme", "--visibility", "internal"), ["acme is there now"]);
    assert.deepEqual(await lines("team", "set", "acme/release", "--role", "creator"), [
      "acme/release: creator",
    ]);
    assert.deepEqual(await lines("team", "set", "acme/release", "--role", "member"), [
      "acme/release: member",
    ]);
    assert.deepEqual(await lines("team", "add", "acme/release", "anna"), ["anna added"]);
    assert.deepEqual(await lines("team", "ls", "acme/release"), ["anna person manual"]);
    assert.deepEqual(await lines("team", "ls", "acme"), ["owners admin", "release member"]);
    await lines("grant", "set", "acme/app/**", "team:release", "write");
    await lines("grant", "set", "acme/web/*", "anna", "read", "--days", "3");
    const granted = await lines("grant", "ls", "acme");
    assert.equal(granted[0], "acme/app/** team:release write");
    assert.match(granted[1] ?? "", /^acme\/web\/\* anna read 20\d\d-/);
    assert.deepEqual(await lines("org", "show", "acme"), [
      "name acme",
      "displayName",
      "email",
      "defaultVisibility internal",
      "createOnPush true",
      "team owners admin",
      "team release member",
    ]);
    await lines("grant", "rm", "acme/app/**", "team:release");
    assert.deepEqual(await lines("team", "remove", "acme/release", "anna"), ["anna removed"]);
    assert.deepEqual(await lines("team", "rm", "acme/release"), ["acme/release deleted"]);
    assert.deepEqual(await lines("org", "ls"), ["acme"]);
    assert.deepEqual(await lines("org", "rm", "acme", "--yes"), ["acme deleted"]);
  });

  it("makes a robot that signs in, rotates its secret and takes it away", async () => {
    await lines("org", "create", "works");
    const [secret = ""] = await lines(
      "robot",
      "create",
      "works+ci",
      "--days",
      "30",
      "--description",
      "builds",
    );
    const status = async (password: string) => {
      const authorization = `Basic ${Buffer.from(`works+ci:${password}`).toString("base64")}`;
      return (await fetch(`${registry.origin}/api/v1/me`, { headers: { authorization } })).status;
    };
    assert.equal(await status(secret), 200);
    assert.match((await lines("robot", "ls", "works"))[0] ?? "", /^works\+ci false 20\d\d-.* builds$/);
    await lines("grant", "set", "works/**", "works+ci", "write");
    const [next = ""] = await lines("robot", "rotate", "works+ci", "--grace", "0");
    assert.deepEqual([await status(secret), await status(next)], [401, 200]);
    assert.deepEqual(await lines("robot", "disable", "works+ci"), ["works+ci: disabled"]);
    assert.equal(await status(next), 401);
    assert.deepEqual(await lines("robot", "rm", "works+ci"), ["works+ci: deleted"]);
    assert.equal((await run("robot", "rm", "works")).code, 2);
  });

  it("says what the server says when it refuses, and 2 for what is wrong on the line", async () => {
    await lines("org", "create", "beta");
    const refused = await run("team", "remove", "beta/owners", administrator.username);
    assert.equal(refused.code, 6);
    assert.match(refused.stderr, /nobody would be left who can sign in and administer/);
    for (const args of [
      ["team", "set", "beta"],
      ["grant", "set", "**", "anna", "read"],
      ["grant", "set", "beta/x", "anna", "owner"],
      ["grant", "set", "beta/*", "anna", "read", "--days", "x"],
      ["org", "rm", "beta"],
    ]) {
      assert.equal((await run(...args)).code, 2, args.join(" "));
    }
    const shown: unknown = JSON.parse((await run("--json", "org", "show", "beta")).stdout);
    assert.ok(isObject(shown));
    assert.equal(shown["name"], "beta");
  });
});
