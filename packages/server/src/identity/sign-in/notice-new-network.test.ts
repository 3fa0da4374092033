import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  basic,
  password,
  startIdentity,
  type TestIdentityOptions,
  textField,
} from "../testing/start-identity.ts";
import { postSignIn } from "../testing/test-browser.ts";
import { openMailbox } from "../testing/test-mailbox.ts";

async function setUp(t: TestContext, database: Database, options: TestIdentityOptions = {}) {
  const instance = await startIdentity(t, database, { trustProxy: true, ...options });
  for (const username of ["ann", "bob", "eve"]) {
    await instance.identity.createUser({ username, password, isAdmin: false });
  }
  const setEmail = (username: string, email: string, verifiedAtMs: number | null) =>
    database.transaction((tx) =>
      tx
        .updateTable("users")
        .set({ email, email_verified_at_ms: verifiedAtMs })
        .where("username", "=", username)
        .execute(),
    );
  await setEmail("ann", "ann@example.org", 1);
  await setEmail("bob", "bob@example.org", null);
  const mailbox = await openMailbox(t, instance);
  const browse = async (username: string, address: string, secret = password) =>
    (
      await postSignIn(instance, username, secret, {
        "x-forwarded-for": address,
        "user-agent": "Browser <9>",
      })
    ).status;
  const pull = async (username: string, address: string) => {
    const headers = { "x-forwarded-for": address };
    return (await instance.fetch("/v2/_catalog", { authorization: basic(username, password), headers }))
      .status;
  };
  const told = async () => (await mailbox.collect()).map(({ envelopeTo }) => envelopeTo.join());
  return { instance, mailbox, browse, pull, told };
}

eachDatabase((open) => {
  test("people are told once of a sign-in from a network where they never were", async (t) => {
    const { instance, mailbox, browse, pull, told } = await setUp(t, await open(t));
    assert.equal(await browse("ann", "192.0.2.1"), 200);
    assert.equal(await browse("ann", "192.0.2.200"), 200);
    assert.deepEqual(await told(), [], "not of the first, nor of what lies beside it");
    assert.equal(await browse("ann", "198.51.100.7"), 200);
    const mail = await mailbox.one("ann@example.org");
    assert.match(mail.parsed.subject ?? "", /new place/);
    assert.match(mail.parsed.text ?? "", /account ann .* address 198\.51\.100\.7, at 20.*Z/);
    assert.match(mail.parsed.text ?? "", /Browser <9>/);
    assert.match(String(mail.parsed.html), /Browser &lt;9&gt;/);
    assert.equal(await browse("ann", "198.51.100.8"), 200);
    assert.equal(await browse("ann", "192.0.2.3"), 200);
    assert.equal(await pull("ann", "198.51.100.9"), 200);
    assert.deepEqual(await told(), []);
    assert.equal(await pull("ann", "2001:db8:1:2::3"), 200);
    assert.equal(await pull("ann", "2001:db8:1:4::5"), 200);
    assert.deepEqual(await told(), ["ann@example.org"], "the registry is signed in to, as well");
    const rows = await instance.database.read.selectFrom("seen_networks").selectAll().execute();
    assert.doesNotMatch(JSON.stringify(rows), /192\.0|198\.51|2001/, "where people are is not kept");
    assert.equal(rows.length, 3);
  });

  test("nobody is told of a wrong password, without a verified address, of what tokens do, or where it is turned off", async (t) => {
    const database = await open(t);
    const { instance, browse, pull, told } = await setUp(t, database);
    for (const username of ["ann", "bob", "eve"]) assert.equal(await browse(username, "192.0.2.1"), 200);
    assert.equal(await browse("ann", "198.51.100.7", "a wrong password"), 401);
    assert.equal(await browse("bob", "198.51.100.7"), 200);
    assert.equal(await browse("eve", "198.51.100.7"), 200);
    const made = await instance.fetch("/api/v1/me/access-tokens", {
      method: "POST",
      authorization: basic("ann", password),
      headers: { "content-type": "application/json", "x-forwarded-for": "192.0.2.1" },
      body: JSON.stringify({ name: "ci" }),
    });
    const secret = textField(await made.json(), "secret");
    await told();
    const headers = { "x-forwarded-for": "203.0.113.1" };
    const used = await instance.fetch("/v2/_catalog", { authorization: basic("ann", secret), headers });
    assert.equal(used.status, 200);
    assert.deepEqual(await told(), []);
    const off = await startIdentity(t, database, {
      trustProxy: true,
      sessions: { tellsOfNewNetworks: false },
    });
    const quiet = await postSignIn(off, "ann", password, { "x-forwarded-for": "203.0.113.2" });
    assert.equal(quiet.status, 200);
    const seen = await database.read.selectFrom("seen_networks").selectAll().execute();
    assert.deepEqual(await told(), []);
    assert.equal(await pull("nobody", "203.0.113.3"), 401);
    assert.equal(seen.length, 5);
  });

  test("sign-ins at the same moment from one new network are told of once; the oldest networks are forgotten", async (t) => {
    const database = await open(t);
    const { browse, told } = await setUp(t, database);
    assert.equal(await browse("ann", "192.0.2.1"), 200);
    await Promise.all([1, 2, 3].map((last) => browse("ann", `198.51.100.${last}`)));
    assert.deepEqual(await told(), ["ann@example.org"]);
    for (let net = 0; net < 60; net += 1) await browse("ann", `203.0.${net}.1`);
    const rows = await database.read.selectFrom("seen_networks").selectAll().execute();
    assert.equal(rows.length, 50);
  });
});
