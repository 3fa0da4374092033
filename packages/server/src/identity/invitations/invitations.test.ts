import assert from "node:assert/strict";
import { test } from "node:test";
import { sealContextOf } from "../../activity/email/mail-queue.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { type House, startHouse } from "../testing/start-house.ts";
import { field, password } from "../testing/start-identity.ts";
import { deleteInvitation, lockInvitation } from "./invitation-store.ts";

const acme = "/api/v1/organizations/acme";
const accept = "/api/v1/invitations/accept";

type Start = Parameters<typeof startHouse>;

/** Bob administers acme; Carol has a proved address, Dave one that is not. */
async function start(t: Start[0], database: Start[1], options: Start[3] = {}): Promise<House> {
  const house = await startHouse(t, database, ["bob", "carol", "dave"], {
    accounts: { signUp: "invitation", allowedDomains: [] },
    ...options,
  });
  await house.as("bob", "POST", "/api/v1/organizations", { name: "acme" });
  await house.as("bob", "POST", `${acme}/teams`, { name: "staff" });
  await house.instance.database.transaction(async (tx) => {
    const set = (email: string, provedAtMs: number | null) =>
      tx.updateTable("users").set({ email, email_verified_at_ms: provedAtMs });
    await set("carol@acme.test", 1).where("username", "=", "carol").execute();
    await set("dave@acme.test", null).where("username", "=", "dave").execute();
  });
  return house;
}

/** The links of the mails to an address, oldest first. */
async function tokensSentTo(house: House, address: string): Promise<readonly string[]> {
  const box = createSecretBox([Buffer.alloc(32, 1)]);
  const rows = await house.instance.database.read
    .selectFrom("mails")
    .select(["kind", "sealed_data"])
    .where("recipient", "=", address)
    .orderBy("id")
    .execute();
  return rows.flatMap((row) => {
    const text = box.open(row.sealed_data ?? "", sealContextOf(row.kind, address));
    return /#token=([\w-]+)/.exec(text)?.[1] ?? [];
  });
}

const invite = (house: House, body: object) =>
  house.as("bob", "POST", `${acme}/teams/staff/invitations`, body);

async function isMember(house: House, username: string): Promise<boolean> {
  const { body } = await house.as("ada", "GET", `${acme}/teams/staff/members`);
  const members = field(body, "members");
  assert.ok(Array.isArray(members));
  return members.some((member) => field(member, "username") === username);
}

eachDatabase((open) => {
  test("whoever has the address joins by the link of the mail, once", async (t) => {
    const house = await start(t, await open(t));
    const made = await invite(house, { email: "Carol@Acme.test" });
    assert.equal(made.status, 201);
    assert.equal(field(made.body, "email"), "carol@acme.test");
    const [token = ""] = await tokensSentTo(house, "carol@acme.test");
    assert.equal(JSON.stringify(made.body).includes(token), false, "who invites does not learn it");
    assert.equal((await house.as("", "POST", accept)).status, 400);
    assert.equal(
      (await house.as("dave", "POST", accept, { token })).status,
      403,
      "an address that is not proved",
    );
    assert.equal(await isMember(house, "dave"), false);
    const accepted = await house.as("carol", "POST", accept, { token });
    assert.deepEqual(
      [accepted.status, accepted.body],
      [200, { username: "carol", namespace: "acme", team: "staff" }],
    );
    assert.equal(await isMember(house, "carol"), true);
    assert.equal((await house.as("carol", "POST", accept, { token })).status, 404, "used");
    assert.equal((await house.as("carol", "POST", accept, { token: "x".repeat(43) })).status, 404);
    const rows = await house.instance.database.read
      .selectFrom("audit_entries")
      .selectAll()
      .where("action", "like", "invitation.%")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      rows.map(({ action }) => action),
      ["invitation.create", "invitation.accept"],
    );
    assert.equal(JSON.stringify(rows).includes(token), false);
  });

  test("somebody without an account makes one by the link, with the address proved", async (t) => {
    const house = await start(t, await open(t));
    await invite(house, { email: "erin@acme.test" });
    const [token = ""] = await tokensSentTo(house, "erin@acme.test");
    const join = (username: string, secret = password) =>
      house.as("", "POST", accept, undefined).then(() =>
        house.instance.fetch(accept, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ token, username, password: secret }),
        }),
      );
    for (const [username, secret, status] of [
      ["Erin", password, 400],
      ["erin", "short", 400],
      ["carol", password, 409],
      ["acme", password, 409],
      ["erin", password, 200],
      ["erin2", password, 404],
    ] as const) {
      assert.equal((await join(username, secret)).status, status, `${username} ${secret}`);
    }
    assert.equal(await isMember(house, "erin"), true);
    assert.equal((await house.as("erin", "GET", acme)).status, 200);
    const row = await house.instance.database.read
      .selectFrom("users")
      .select(["email", "email_verified_at_ms"])
      .where("username", "=", "erin")
      .executeTakeFirst();
    assert.deepEqual(
      { ...row },
      { email: "erin@acme.test", email_verified_at_ms: house.instance.clock.nowMs() },
    );
  });

  test("no account is made where nobody signs up", async (t) => {
    const house = await start(t, await open(t), { accounts: { signUp: "off", allowedDomains: [] } });
    await invite(house, { email: "erin@acme.test" });
    const [token = ""] = await tokensSentTo(house, "erin@acme.test");
    const reply = await house.instance.fetch(accept, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, username: "erin", password }),
    });
    assert.equal(reply.status, 403);
    assert.equal((await house.as("ada", "GET", "/api/v1/users/erin")).status, 404);
  });

  test("who is invited by name sees it, and accepts or declines; nobody else can", async (t) => {
    const house = await start(t, await open(t));
    const made = await invite(house, { username: "dave" });
    const id = Number(field(made.body, "id"));
    assert.deepEqual(
      await tokensSentTo(house, "dave@acme.test"),
      [],
      "no mail to an address that is not proved",
    );
    const own = field((await house.as("dave", "GET", "/api/v1/me/invitations")).body, "invitations");
    assert.deepEqual(own, [made.body]);
    const others = field((await house.as("carol", "GET", "/api/v1/me/invitations")).body, "invitations");
    assert.deepEqual(others, []);
    assert.equal((await house.as("carol", "POST", accept, { id })).status, 404);
    assert.equal((await house.as("carol", "DELETE", `/api/v1/me/invitations/${id}`)).status, 404);
    assert.equal((await house.as("dave", "DELETE", `/api/v1/me/invitations/${id}`)).status, 204);
    assert.equal((await house.as("dave", "POST", accept, { id })).status, 404);
    const again = await invite(house, { username: "dave" });
    assert.equal((await house.as("dave", "POST", accept, { id: field(again.body, "id") })).status, 200);
    assert.equal(await isMember(house, "dave"), true);
    assert.equal((await invite(house, { username: "dave" })).status, 409, "in the team already");
  });

  test("an invitation ends when it runs out, is taken back or replaced, or its team goes", async (t) => {
    const house = await start(t, await open(t));
    const { clock, identity, database } = house.instance;
    const latest = async () => (await tokensSentTo(house, "carol@acme.test")).at(-1);
    await invite(house, { email: "carol@acme.test" });
    const first = await latest();
    await invite(house, { email: "carol@acme.test" });
    assert.equal((await house.as("carol", "POST", accept, { token: first })).status, 404, "replaced");
    const listed = field((await house.as("bob", "GET", `${acme}/invitations`)).body, "invitations");
    assert.ok(Array.isArray(listed) && listed.length === 1);
    const path = `${acme}/invitations/${String(field(listed[0], "id"))}`;
    assert.equal((await house.as("carol", "DELETE", path)).status, 403);
    assert.equal((await house.as("bob", "DELETE", path)).status, 204);
    assert.equal(
      (await house.as("carol", "POST", accept, { token: await latest() })).status,
      404,
      "taken back",
    );
    await invite(house, { email: "carol@acme.test" });
    clock.move(7 * 86_400_000);
    assert.equal((await house.as("carol", "POST", accept, { token: await latest() })).status, 404, "run out");
    clock.move(7 * 86_400_000 + 1);
    await identity.prune();
    assert.deepEqual(await database.read.selectFrom("invitations").select("id").execute(), []);
    await invite(house, { email: "carol@acme.test" });
    await house.as("bob", "DELETE", `${acme}/teams/staff`);
    assert.equal(
      (await house.as("carol", "POST", accept, { token: await latest() })).status,
      404,
      "no such team",
    );
  });

  test("of two that accept at once one gets through, and what is no invitation is refused", async (t) => {
    const house = await start(t, await open(t));
    await invite(house, { email: "carol@acme.test" });
    const [token] = await tokensSentTo(house, "carol@acme.test");
    const replies = await Promise.all([1, 2, 3].map(() => house.as("carol", "POST", accept, { token })));
    assert.deepEqual(
      replies.map(({ status }) => status).sort((a, b) => a - b),
      [200, 404, 404],
    );
    for (const body of [{}, { email: "nobody" }, { email: "a@b" }, { email: "a@b.c", username: "dave" }]) {
      assert.equal((await invite(house, body)).status, 400, JSON.stringify(body));
    }
    assert.equal((await invite(house, { username: "nobody" })).status, 404);
    assert.equal(
      (await house.as("carol", "POST", `${acme}/teams/staff/invitations`, { username: "dave" })).status,
      403,
    );
  });

  test("where new people are invited, adding one invites; who is of the organization is added at once", async (t) => {
    const organizations = { newMembers: "invited" } as const;
    const house = await start(t, await open(t), { organizations });
    const members = `${acme}/teams/staff/members`;
    const put = await house.as("bob", "PUT", `${members}/dave`);
    assert.equal(put.status, 202);
    assert.equal(await isMember(house, "dave"), false);
    assert.equal((await house.as("dave", "POST", accept, { id: field(put.body, "id") })).status, 200);
    await house.as("bob", "POST", `${acme}/teams`, { name: "crew" });
    assert.equal((await house.as("bob", "PUT", `${acme}/teams/crew/members/dave`)).status, 204);
    assert.equal(
      (await house.as("ada", "PUT", `${members}/carol`)).status,
      204,
      "administrators of the registry",
    );
  });

  test("the page of the link changes nothing by being opened, and carries its own policy", async (t) => {
    const house = await start(t, await open(t));
    const reply = await house.instance.fetch("/account/accept-invitation");
    assert.equal(reply.status, 200);
    assert.match(
      reply.headers.get("content-security-policy") ?? "",
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    assert.match(await reply.text(), /Accept the invitation/);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("an invitation that is accepted at that moment is not said to be taken back", async (t) => {
    const house = await start(t, await open(t));
    const { database } = house.instance;
    await invite(house, { username: "dave" });
    const { id } = await database.read.selectFrom("invitations").select("id").executeTakeFirstOrThrow();
    const letGo = await holdTransaction(database, async (tx) => {
      await lockInvitation(tx, id);
      await deleteInvitation(tx, id);
    });
    const revoking = house.as("bob", "DELETE", `${acme}/invitations/${id}`);
    await untilWaiting(database, 1, revoking);
    await letGo();
    assert.equal((await revoking).status, 404);
    assert.equal((await house.audited()).includes("invitation.revoke"), false);
  });
});
