import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { openTestAudit } from "../../activity/audit/testing/open-test-audit.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { type House, houseOf, startHouse } from "../testing/start-house.ts";
import {
  basic,
  bearer,
  field,
  getToken,
  insertRepository,
  password,
  startIdentity,
} from "../testing/start-identity.ts";

const reason = "urgent fix of release 1.2";
const people = ["bob", "carol", "dan"];

/** acme with the repository acme/app, which carol administers; bob may assume acme/release. */
async function start(t: TestContext, database: Database, role: object = {}): Promise<House> {
  const house = await startHouse(t, database, people);
  await insertRepository(house.instance, "acme/app");
  await insertRepository(house.instance, "other/app");
  const saved = await house.as("ada", "PUT", "/api/v1/organizations/acme/elevation-roles/release", {
    grants: [{ pattern: "acme/app", role: "write" }],
    assumableBy: [{ username: "bob" }],
    maxDurationSeconds: 3_600,
    ...role,
  });
  assert.equal(saved.status, 200, JSON.stringify(saved.body));
  return house;
}

function assume(house: House, who: string, more: object = {}) {
  return house.as(who, "POST", "/api/v1/elevations", {
    role: "acme/release",
    reason,
    durationSeconds: 600,
    ...more,
  });
}

const idOf = (body: unknown) => String(field(body, "id"));

async function entries(house: House) {
  return house.instance.database.read
    .selectFrom("audit_entries")
    .selectAll()
    .where("elevations", "is not", null)
    .orderBy("id")
    .execute();
}

eachDatabase((open) => {
  test("gives what the role says, there only, and ends by the clock without a job", async (t) => {
    const house = await start(t, await open(t));
    assert.deepEqual(await house.rights("bob", "acme/app"), []);
    const assumed = await assume(house, "bob");
    assert.deepEqual([assumed.status, field(assumed.body, "state")], [201, "active"]);
    assert.deepEqual(await house.rights("bob", "acme/app"), ["pull", "push", "delete"]);
    assert.deepEqual(await house.rights("bob", "other/app"), []);
    const token = bearer(
      await getToken(house.instance, "repository:acme/app:pull,push", basic("bob", password)),
    );
    assert.deepEqual(await house.rights(token, "acme/app"), ["pull", "push"]);
    house.instance.clock.move(599_000);
    assert.deepEqual(await house.rights("bob", "acme/app"), ["pull", "push", "delete"]);
    house.instance.clock.move(1_000);
    assert.deepEqual(await house.rights("bob", "acme/app"), [], "nothing ran meanwhile");
    const shown = await house.as("bob", "GET", `/api/v1/elevations/${idOf(assumed.body)}`);
    assert.equal(field(shown.body, "state"), "expired");
    await house.instance.identity.work();
    await house.instance.identity.work();
    const actions = (await entries(house)).map((entry) => `${entry.action} by ${entry.actor}`);
    assert.deepEqual(actions, ["elevation.start by bob", "elevation.expire by registry"]);
    assert.equal((await assume(house, "bob")).status, 201, "and may be assumed again");
  });

  test("a token issued under it carries nothing once it is ended, here at once and elsewhere within a second", async (t) => {
    const url = await open.url(t);
    const house = await start(t, await open(t, { url }));
    const { clock } = house.instance;
    const other = houseOf(await startIdentity(t, await open(t, { url }), { clock }));
    const assumed = await assume(house, "bob");
    const token = bearer(await getToken(house.instance, "repository:acme/app:push", basic("bob", password)));
    assert.deepEqual(await house.rights(token, "acme/app"), ["push"]);
    clock.move(1_000);
    assert.deepEqual(await other.rights(token, "acme/app"), ["push"]);
    const ended = await house.as("bob", "DELETE", `/api/v1/elevations/${idOf(assumed.body)}`);
    assert.equal(ended.status, 204);
    assert.deepEqual(await house.rights(token, "acme/app"), []);
    assert.deepEqual(await house.rights("bob", "acme/app"), []);
    clock.move(1_000);
    assert.deepEqual(await other.rights(token, "acme/app"), []);
  });

  test("refuses whoever may not assume it, no reason, too long a time, and twice", async (t) => {
    const house = await start(t, await open(t));
    assert.equal((await assume(house, "dan")).status, 403);
    for (const role of ["acme/none", "none", "a\0b/c", "ACME/release"]) {
      assert.equal((await assume(house, "bob", { role })).status, 403, "as for one not mine");
    }
    assert.equal((await assume(house, "bob", { reason: "short" })).status, 400);
    assert.equal((await assume(house, "bob", { reason: `${" ".repeat(20)}x` })).status, 400);
    assert.equal((await assume(house, "bob", { durationSeconds: 3_601 })).status, 400);
    assert.equal((await assume(house, "")).status, 401);
    const both = await Promise.all([assume(house, "bob"), assume(house, "bob")]);
    assert.deepEqual(
      both.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 409],
    );
    assert.deepEqual(await house.rights("dan", "acme/app"), []);
  });

  test("with approval, waits for somebody else: never oneself, nobody who may not, no second time", async (t) => {
    const house = await start(t, await open(t), {
      requiresApproval: true,
      approvers: [{ username: "carol" }, { username: "bob" }],
    });
    const asked = await assume(house, "bob");
    assert.deepEqual([asked.status, field(asked.body, "state")], [202, "pending"]);
    const path = `/api/v1/elevations/${idOf(asked.body)}`;
    assert.deepEqual(await house.rights("bob", "acme/app"), []);
    assert.equal(
      (await house.as("bob", "POST", `${path}/approval`, {})).status,
      403,
      "himself, though named",
    );
    assert.equal((await house.as("dan", "POST", `${path}/approval`, {})).status, 404);
    assert.equal((await house.as("dan", "GET", path)).status, 404);
    const list = await house.as("carol", "GET", "/api/v1/elevations?state=pending");
    assert.equal((field(list.body, "elevations") as unknown[]).length, 1); // as: a list by its schema
    const approved = await house.as("carol", "POST", `${path}/approval`, { reason: "go" });
    assert.deepEqual([approved.status, field(approved.body, "decidedBy")], [200, "carol"]);
    assert.deepEqual(await house.rights("bob", "acme/app"), ["pull", "push", "delete"]);
    assert.equal((await house.as("carol", "POST", `${path}/refusal`, {})).status, 409);
    assert.equal((await house.as("carol", "DELETE", path)).status, 204, "whoever approves can end it");
    assert.deepEqual(await house.rights("bob", "acme/app"), []);
    const second = await assume(house, "bob");
    const other = `/api/v1/elevations/${idOf(second.body)}`;
    assert.equal((await house.as("ada", "POST", `${other}/refusal`, { reason: "not now" })).status, 200);
    assert.deepEqual(await house.rights("bob", "acme/app"), []);
    assert.deepEqual(
      (await entries(house)).map(({ action }) => action),
      ["elevation.request", "elevation.approve", "elevation.revoke", "elevation.request", "elevation.refuse"],
    );
  });

  test("makes an administrator for the time only, who cannot make that last", async (t) => {
    const house = await start(t, await open(t));
    const role = { isAdministrator: true, assumableBy: [{ username: "bob" }], maxDurationSeconds: 600 };
    assert.equal((await house.as("ada", "PUT", "/api/v1/elevation-roles/administrator", role)).status, 200);
    const inside = await house.as("ada", "PUT", "/api/v1/organizations/acme/elevation-roles/root", role);
    assert.equal(inside.status, 400, "no namespace makes administrators");
    assert.equal((await house.as("bob", "GET", "/api/v1/users")).status, 403);
    const assumed = await assume(house, "bob", { role: "administrator" });
    assert.equal(assumed.status, 201, JSON.stringify(assumed.body));
    assert.equal((await house.as("bob", "GET", "/api/v1/users")).status, 200);
    assert.deepEqual(await house.rights("bob", "other/app"), ["pull", "push", "delete", "admin"]);
    const makeLasting = [
      await house.as("bob", "PATCH", "/api/v1/users/bob", { isAdmin: true }),
      await house.as("bob", "POST", "/api/v1/users", {
        username: "eve",
        password: "correct horse 2 x",
        isAdmin: true,
      }),
      await house.as("bob", "PUT", "/api/v1/elevation-roles/administrator", role),
      await house.as("bob", "DELETE", "/api/v1/elevation-roles/administrator"),
    ];
    assert.deepEqual(
      makeLasting.map(({ status }) => status),
      [403, 403, 403, 403],
    );
    assert.equal((await house.as("bob", "PATCH", "/api/v1/users/dan", { isDisabled: true })).status, 200);
    const [id] = [idOf(assumed.body)];
    const entry = (await entries(house)).at(-1);
    assert.deepEqual([entry?.action, entry?.actor, entry?.elevations], ["user.update", "bob", `,${id},`]);
    house.instance.clock.move(600_000);
    assert.equal((await house.as("bob", "GET", "/api/v1/users")).status, 403);
    assert.deepEqual(await house.rights("bob", "other/app"), []);
  });

  test("an administrator for a time approves nobody", async (t) => {
    const house = await start(t, await open(t), {
      requiresApproval: true,
      assumableBy: [{ username: "dan" }],
    });
    const role = { isAdministrator: true, assumableBy: [{ username: "bob" }], maxDurationSeconds: 600 };
    await house.as("ada", "PUT", "/api/v1/elevation-roles/administrator", role);
    const asked = await assume(house, "dan");
    await assume(house, "bob", { role: "administrator" });
    const path = `/api/v1/elevations/${idOf(asked.body)}/approval`;
    assert.equal((await house.as("bob", "POST", path, {})).status, 404);
    assert.equal((await house.as("ada", "POST", path, {})).status, 200);
  });

  test("a role reaches nothing outside of its namespace, and only its administrators change it", async (t) => {
    const house = await start(t, await open(t));
    const path = "/api/v1/organizations/acme/elevation-roles/wide";
    for (const pattern of ["**", "other/app", "a*/app", "*", "acme"]) {
      const saved = await house.as("ada", "PUT", path, {
        grants: [{ pattern, role: "read" }],
        assumableBy: [{ username: "bob" }],
        maxDurationSeconds: 600,
      });
      assert.equal(saved.status, 400, pattern);
    }
    const own = "/api/v1/organizations/acme/elevation-roles/release";
    for (const method of ["GET", "DELETE"]) assert.equal((await house.as("bob", method, own)).status, 403);
    await assume(house, "bob");
    assert.equal((await house.as("ada", "DELETE", own)).status, 204);
    assert.deepEqual(await house.rights("bob", "acme/app"), [], "with the role goes what it gave");
  });

  test("alerts by mail and by a signed post of every action under it, again when nobody answers", async (t) => {
    const database = await open(t);
    const received: { readonly signature: unknown; readonly body: string }[] = [];
    let failing = true;
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        if (!failing) received.push({ signature: request.headers["x-entrepot-signature"], body });
        response.writeHead(failing ? 500 : 204).end();
        failing = false;
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const house = await start(t, database, {
      alert: { mail: ["sec@example.org"], webhookUrl: "https://hooks.example.org/x" },
    });
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    // The schema wants https; a plain server stands for the receiver.
    await database.transaction((tx) =>
      tx
        .updateTable("elevation_roles")
        .set({ alert_url: `http://127.0.0.1:${address.port}/x` })
        .execute(),
    );
    const { clock } = house.instance;
    const { audit } = await openTestAudit(open, t, { database });
    const assumed = await assume(house, "bob");
    await house.as("bob", "DELETE", `/api/v1/elevations/${idOf(assumed.body)}`);
    await audit.seal();
    await house.instance.identity.work();
    assert.equal(received.length, 0);
    clock.move(2_000);
    await house.instance.identity.work();
    await house.instance.identity.work();
    assert.equal(received.length, 1, "once it has answered, not again");
    const [{ signature, body } = { signature: undefined, body: "" }] = received;
    assert.match(String(signature), /^t=\d+,v1=[0-9a-f]{64}$/);
    const posted = field(JSON.parse(body), "entries") as { action: string }[]; // as: sent by us
    assert.deepEqual(
      posted.map(({ action }) => action),
      ["elevation.start", "elevation.end"],
    );
    const mails = await database.read.selectFrom("mails").select("recipient").execute();
    assert.deepEqual(
      mails.map(({ recipient }) => recipient),
      ["sec@example.org"],
    );
  });
});
