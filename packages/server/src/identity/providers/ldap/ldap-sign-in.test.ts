import assert from "node:assert/strict";
import { before, type TestContext, test } from "node:test";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  getToken,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../../testing/start-identity.ts";
import { statusOf } from "../../testing/test-browser.ts";
import { type DirectoryOptions, corp as path, putDirectory } from "../testing/put-directory.ts";
import {
  group,
  groups,
  hasSlapd,
  people,
  personPassword,
  searcher,
  startSlapd,
} from "../testing/start-slapd.ts";

const ada = basic(administrator, password);

let isThere = false;
before(async () => {
  isThere = await hasSlapd();
  if (!isThere) console.log("SKIP: /usr/sbin/slapd is not installed (apt-get install slapd)");
});

const meAs = (instance: TestIdentity, username: string, secret: string) =>
  statusOf(instance.fetch("/api/v1/me", { authorization: basic(username, secret) }));

eachDatabase((open) => {
  async function setUp(
    t: TestContext,
    options: DirectoryOptions & { readonly ldif?: string; readonly more?: number } = {},
  ) {
    const directory = await startSlapd(t, options);
    const instance = await startIdentity(t, await open(t), { trustProxy: true });
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const made = await putDirectory(instance, directory, options);
    assert.equal(made.status, 201, await made.text());
    return { directory, instance };
  }

  test("signs somebody in by the directory over StartTLS: docker's token, Basic, and the user is made once", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    const alan = basic("alan", personPassword("alan"));
    const token = await getToken(instance, "repository:alan/app:pull,push", alan);
    assert.equal(
      await statusOf(instance.fetch("/v2/alan/app/probe/push", { authorization: bearer(token) })),
      204,
    );
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
    const user = await sendJson(instance, "GET", "/api/v1/users/alan", ada);
    assert.equal(user.status, 200);
    const list = await sendJson(instance, "GET", `${path}/identities`, ada);
    const identities = field(await list.json(), "identities");
    assert.ok(Array.isArray(identities));
    assert.equal(identities.length, 1);
    assert.equal(field(identities[0], "user"), "alan");
  });

  test("refuses a wrong, an empty and nobody's password alike, and makes no user by it", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    for (const [username, secret] of [
      ["alan", "wrong"],
      ["alan", ""],
      ["nobody", "wrong"],
      ["alan", `${personPassword("alan")} `],
    ] as const) {
      const reply = await instance.fetch("/api/v1/me", { authorization: basic(username, secret) });
      assert.equal(reply.status, 401, `${username} ${secret}`);
      assert.match(await reply.text(), /user name or the password is wrong/);
    }
    assert.equal(await statusOf(sendJson(instance, "GET", "/api/v1/users/alan", ada)), 404);
  });

  test("takes a name for nothing but a name: filters cannot be injected", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    for (const name of [
      "*",
      "al*",
      "alan)(objectClass=*",
      "*)(uid=*))(|(uid=*",
      "alan)(|(uid=alan",
      "\\2a",
      "(uid=alan)",
    ]) {
      assert.equal(await meAs(instance, name, personPassword("alan")), 401, name);
    }
    const list = await sendJson(instance, "GET", `${path}/identities`, ada);
    assert.deepEqual(field(await list.json(), "identities"), []);
  });

  test("never asks the directory about a name with a password of ours, and works without it for those", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    await instance.identity.createUser({ username: "barbara", password, isAdmin: false });
    assert.equal(
      await meAs(instance, "barbara", personPassword("barbara")),
      401,
      "not the directory's barbara",
    );
    await directory.stop();
    assert.equal(await meAs(instance, "barbara", password), 200);
    assert.equal(await meAs(instance, administrator, password), 200);
    const reply = await instance.fetch("/api/v1/me", {
      authorization: basic("alan", personPassword("alan")),
    });
    assert.equal(reply.status, 503);
    assert.ok(reply.headers.has("retry-after"));
    assert.doesNotMatch(await reply.text(), /ECONN|127\.0\.0\.1|secret/);
    assert.equal(
      await meAs(instance, "barbara", "wrong"),
      401,
      "and a wrong password is no matter of the directory",
    );
  });

  test("stops asking a directory that is down, and asks again when it is back", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    await directory.stop();
    for (let attempt = 0; attempt < 6; attempt++)
      assert.equal(await meAs(instance, `u${attempt}`, "some secret"), 503);
    await directory.start();
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 503, "it is left alone for a while");
    instance.clock.move(15_000);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
  });

  test("remembers a right password for a minute and a wrong one not at all", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
    await directory.stop();
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
    instance.clock.move(60_000);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 503);
  });

  test("slows down guessing at a directory's passwords, and does not lock out others", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    const from = (address: string, secret: string) =>
      statusOf(
        instance.fetch("/token", {
          authorization: basic("alan", secret),
          headers: { "x-forwarded-for": address },
        }),
      );
    const guesses = [];
    for (let index = 0; index < 12; index++) guesses.push(await from("192.0.2.1", `guess ${index}`));
    assert.equal(guesses.filter((status) => status === 401).length, 10);
    assert.equal(guesses.filter((status) => status === 429).length, 2);
    assert.equal(await from("192.0.2.2", personPassword("alan")), 200);
  });

  test("does not speak with a directory whose certificate nobody it trusts has signed", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    const other = await startSlapd(t);
    await putDirectory(instance, directory, { settings: { caCertificate: other.caCertificate } });
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 503);
    const tested = await sendJson(instance, "POST", `${path}/test`, ada, {});
    assert.equal(field(await tested.json(), "ok"), false);
  });

  test("takes only settings that encrypt, and filters that are some", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    for (const settings of [
      { startTls: false },
      { userFilter: "(uid=" },
      { caCertificate: "none" },
      { url: "http://127.0.0.1" },
      { surprise: true },
    ]) {
      const reply = await putDirectory(instance, directory, { settings });
      assert.equal(reply.status, 400, `${JSON.stringify(settings)} ${await reply.text()}`);
    }
  });

  test("tries a connection for its administrator and tells no secret", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t, { ldif: group("devs", [`uid=alan,${people}`]) });
    const login = { username: "alan", password: personPassword("alan") };
    const good = await sendJson(instance, "POST", `${path}/test`, ada, login);
    const told: unknown = await good.json();
    assert.equal(field(told, "ok"), true, JSON.stringify(told));
    assert.deepEqual(field(field(told, "person"), "groups"), [`cn=devs,${groups}`]);
    assert.equal(
      await statusOf(sendJson(instance, "GET", "/api/v1/users/alan", ada)),
      404,
      "nobody was made",
    );
    await putDirectory(instance, directory, { settings: { userBases: ["ou=nowhere,dc=corp,dc=example"] } });
    const bad = await (await sendJson(instance, "POST", `${path}/test`, ada, login)).text();
    assert.match(bad, /no entry ou=nowhere/);
    const shown = await (await sendJson(instance, "GET", path, ada)).text();
    for (const text of [bad, shown, JSON.stringify(told)]) assert.ok(!text.includes(searcher.bindPassword));
    assert.deepEqual(field(JSON.parse(shown), "secrets"), ["bindPassword"]);
  });

  test("forgets the bind password when the address changes, so that it goes nowhere else", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t);
    const settings = { url: "ldaps://attacker.example", userBases: [people], bindDn: searcher.bindDn };
    const reply = await sendJson(instance, "PUT", path, ada, { kind: "ldap", settings });
    assert.deepEqual(field(await reply.json(), "secrets"), []);
  });

  test("lets in whom the groups let in, nested ones too, and gives them what the groups mean", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const ldif = [
      group("staff", [`cn=devs,${groups}`, `uid=carol,${people}`]),
      group("devs", [`cn=core,${groups}`, `cn=staff,${groups}`]),
      group("core", [`uid=alan,${people}`]),
      group("chiefs", [`uid=alan,${people}`]),
    ].join("");
    const policy = { requiredGroups: [`CN=staff, ${groups}`], adminGroups: [`cn=chiefs,${groups}`] };
    const { instance, directory } = await setUp(t, { ldif, policy });
    assert.equal(await meAs(instance, "barbara", personPassword("barbara")), 401, "in no group");
    assert.equal(await meAs(instance, "carol", personPassword("carol")), 200);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200, "three groups deep, in a circle");
    const alan = await sendJson(instance, "GET", "/api/v1/users/alan", ada);
    assert.equal(field(await alan.json(), "isAdmin"), true);
    const carol = await sendJson(instance, "GET", "/api/v1/users/carol", ada);
    assert.equal(field(await carol.json(), "isAdmin"), false);
    await directory.modify(`cn=chiefs,${groups}`, { replace: { member: `uid=carol,${people}` } });
    instance.clock.move(60_000);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
    const later = await sendJson(instance, "GET", "/api/v1/users/alan", ada);
    assert.equal(field(await later.json(), "isAdmin"), false);
  });

  test("keeps members of restricted groups from making repositories of their own, until they leave it", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const ldif = group("interns", [`uid=alan,${people}`]);
    const policy = { restrictedGroups: [`cn=interns,${groups}`] };
    const { instance, directory } = await setUp(t, { ldif, policy });
    const push = async (name: string) => {
      const token = await getToken(
        instance,
        `repository:${name}/app:pull,push`,
        basic(name, personPassword(name)),
      );
      return statusOf(instance.fetch(`/v2/${name}/app/probe/push`, { authorization: bearer(token) }));
    };
    assert.equal(await push("carol"), 204);
    assert.notEqual(await push("alan"), 204);
    await directory.modify(`cn=interns,${groups}`, { replace: { member: `uid=barbara,${people}` } });
    instance.clock.move(60_000);
    assert.equal(await push("alan"), 204);
  });

  test("does not go deeper into groups than it is told", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const ldif = [group("staff", [`cn=devs,${groups}`]), group("devs", [`uid=alan,${people}`])].join("");
    const settings = { groups: { from: "group-entries", bases: [groups], depth: 0 } };
    const { instance } = await setUp(t, {
      ldif,
      settings,
      policy: { requiredGroups: [`cn=staff,${groups}`] },
    });
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 401);
  });

  test("gives nobody the account of somebody who had their name before", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance, directory } = await setUp(t);
    assert.equal(await meAs(instance, "alan", personPassword("alan")), 200);
    await directory.remove(`uid=alan,${people}`);
    await directory.add(`uid=alan,${people}`, {
      objectClass: "inetOrgPerson",
      cn: "another alan",
      sn: "Corp",
      userPassword: "another secret",
    });
    assert.equal(await meAs(instance, "alan", "another secret"), 401);
  });

  test("does not give a directory's account to a user who merely has the same name", async (t) => {
    if (!isThere) return t.skip("slapd is not installed");
    const { instance } = await setUp(t, { settings: { usernameAttribute: "mail" } });
    await instance.identity.createUser({ username: "carol", password, isAdmin: false });
    assert.equal(await meAs(instance, "carol@corp.example", personPassword("carol")), 200);
    const list = await sendJson(instance, "GET", `${path}/identities`, ada);
    assert.match(await list.text(), /"user":"carol-2"/);
    const query = new URLSearchParams({ service: "registry.test", account: "carol@corp.example" });
    const token = await instance.fetch(`/token?${query.toString()}`, {
      authorization: basic("carol@corp.example", personPassword("carol")),
    });
    assert.equal(token.status, 200, "docker repeats the name that was typed");
  });
});
