import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type EmailAddress, tryParseEmailAddress } from "../../lib/email-address.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import {
  basic,
  field,
  getToken,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";
import { openBrowser } from "../testing/test-browser.ts";
import { openMailbox, publicUrl, tokenIn } from "../testing/test-mailbox.ts";
import { deleteAccountLinksOf, findCardByEmail, lockCard, updateCard } from "./account-store.ts";

const fresh = "a wholly new passphrase";

async function setUp(
  t: TestContext,
  database: Database,
  signUp: "open" | "domains" | "invitation" | "off" = "open",
) {
  const instance = await startIdentity(t, database, {
    accounts: { signUp, allowedDomains: ["example.org"] },
  });
  const mailbox = await openMailbox(t, instance);
  return { instance, mailbox };
}

function post(instance: TestIdentity, path: string, body: unknown): Promise<Response> {
  return sendJson(instance, "POST", path, "", body);
}

function signUp(instance: TestIdentity, username: string, email: string, secret = password) {
  return post(instance, "/api/v1/sign-up", { username, email, password: secret });
}

async function insertAnn(instance: TestIdentity, email: string | null = "ann@example.org"): Promise<string> {
  await instance.identity.createUser({ username: "ann", password, isAdmin: false });
  await instance.database.transaction((tx) =>
    tx.updateTable("users").set({ email }).where("username", "=", "ann").execute(),
  );
  return basic("ann", password);
}

function toAddress(text: string): EmailAddress {
  const address = tryParseEmailAddress(text);
  assert.ok(address !== undefined);
  return address;
}

function statusesOf(replies: readonly Response[]): readonly number[] {
  return replies.map(({ status }) => status).sort((left, right) => left - right);
}

function me(instance: TestIdentity, secret: string, username = "ann") {
  return instance.fetch("/api/v1/me", { authorization: basic(username, secret) });
}

eachDatabase((open) => {
  test("an account works only after its link was followed, which works once", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const asked = await signUp(instance, "ann", " Ann@Example.org ");
    assert.equal(asked.status, 202);
    const before = await me(instance, password);
    assert.equal(before.status, 401);
    assert.match(await before.text(), /follow the link in the mail/);
    assert.doesNotMatch(await (await me(instance, "not the password")).text(), /follow the link/);
    const { read } = instance.database;
    assert.deepEqual(await read.selectFrom("users").selectAll().execute(), [], "nobody yet");
    assert.deepEqual(await read.selectFrom("namespaces").selectAll().execute(), []);

    const mail = await mailbox.one("ann@example.org");
    assert.ok(mail.parsed.text?.includes(`${publicUrl}/account/confirm-email#token=`));
    const token = tokenIn(mail);
    const confirmed = await post(instance, "/api/v1/email-verifications", { token });
    assert.deepEqual(await confirmed.json(), { username: "ann", outcome: "account-created" });
    assert.equal((await me(instance, password)).status, 200);
    const account = await instance.fetch("/api/v1/me/account", { authorization: basic("ann", password) });
    assert.equal(textField(await account.json(), "email"), "ann@example.org");
    assert.equal((await post(instance, "/api/v1/email-verifications", { token })).status, 404);
    const audit = await read
      .selectFrom("audit_entries")
      .select(["action", "outcome"])
      .orderBy("id")
      .execute();
    assert.deepEqual(
      audit.map(({ action }) => action),
      ["user.sign-up", "user.create"],
    );
    assert.equal(
      JSON.stringify(await read.selectFrom("audit_entries").selectAll().execute()).includes(token),
      false,
    );
    assert.equal(JSON.stringify(instance.lines).includes(token), false, "no link in the log");
  });

  test("a link expires after a day, and the name is free", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await signUp(instance, "ann", "ann@example.org");
    const token = tokenIn(await mailbox.one("ann@example.org"));
    instance.clock.move(24 * 3_600_000);
    assert.equal((await post(instance, "/api/v1/email-verifications", { token })).status, 404);
    assert.doesNotMatch(await (await me(instance, password)).text(), /follow the link/);
    await instance.identity.prune();
    assert.deepEqual(await instance.database.read.selectFrom("sign_ups").selectAll().execute(), []);
    await signUp(instance, "ann", "other@example.org");
    await mailbox.one("other@example.org");
  });

  test("the answer is the same whether name or address are taken; the mail says it", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await insertAnn(instance);
    const answers: string[] = [];
    for (const [username, email, subject] of [
      ["bob", "bob@example.org", /Confirm/],
      ["ann", "carl@example.org", /name is taken/],
      ["dora", "ann@example.org", /have an account already/],
    ] as const) {
      const reply = await signUp(instance, username, email);
      answers.push(`${reply.status} ${await reply.text()}`);
      assert.match((await mailbox.one(email)).parsed.subject ?? "", subject);
    }
    assert.equal(new Set(answers).size, 1);
    const users = await instance.database.read.selectFrom("users").select("username").execute();
    assert.deepEqual(
      users.map((user) => user.username),
      ["ann"],
    );
  });

  test("nobody can sit on a name or an address without following the link, and each link has its own password", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await signUp(instance, "ann", "ann@example.org", "the attacker's password");
    const planted = tokenIn(await mailbox.one("ann@example.org"));
    await signUp(instance, "ann", "ann@example.org");
    const own = tokenIn(await mailbox.one("ann@example.org"));
    assert.equal((await post(instance, "/api/v1/email-verifications", { token: own })).status, 200);
    assert.equal((await me(instance, password)).status, 200);
    assert.equal((await me(instance, "the attacker's password")).status, 401);
    const late = await post(instance, "/api/v1/email-verifications", { token: planted });
    assert.equal(late.status, 404, "the other link of the address is dead");
  });

  test("of two who ask for one name, the first to follow the link has it", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await signUp(instance, "ann", "a@example.org");
    const first = tokenIn(await mailbox.one("a@example.org"));
    await signUp(instance, "ann", "b@example.org");
    const second = tokenIn(await mailbox.one("b@example.org"));
    const replies = await Promise.all(
      [first, second].map((token) => post(instance, "/api/v1/email-verifications", { token })),
    );
    assert.deepEqual(statusesOf(replies), [200, 409]);
    const namespaces = await instance.database.read.selectFrom("namespaces").selectAll().execute();
    assert.equal(namespaces.length, 1);
  });

  test("who may sign up is a setting", async (t) => {
    const off = await setUp(t, await open(t), "off");
    assert.equal((await signUp(off.instance, "ann", "ann@example.org")).status, 403);
    const invited = await setUp(t, await open(t), "invitation");
    assert.equal((await signUp(invited.instance, "ann", "ann@example.org")).status, 403);
    const { instance, mailbox } = await setUp(t, await open(t), "domains");
    for (const email of ["ann@example.com", "ann@sub.example.org", "ann@example.org.evil.test"]) {
      assert.equal((await signUp(instance, "ann", email)).status, 403, email);
    }
    assert.deepEqual(await mailbox.collect(), []);
    assert.equal((await signUp(instance, "ann", "ann@EXAMPLE.org")).status, 202);
    await mailbox.one("ann@example.org");
  });

  test("refuses what is no name, address or password", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    for (const [username, email, secret] of [
      ["Ann", "ann@example.org", password],
      ["library", "ann@example.org", password],
      ["ann", "ann", password],
      ["ann", "ann@example.org, eve@evil.test", password],
      ["ann", "ann@example.org\r\nBcc: eve@evil.test", password],
      ["ann", "ann@example.org", "short"],
    ] as const) {
      assert.equal((await signUp(instance, username, email, secret)).status, 400, `${username} ${email}`);
    }
    assert.deepEqual(await mailbox.collect(), []);
  });

  test("does not flood an address, nor let one network ask without end", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await insertAnn(instance);
    for (let count = 0; count < 10; count += 1) {
      assert.equal((await signUp(instance, `u${count}`, "victim@example.org")).status, 202);
      assert.equal(
        (await post(instance, "/api/v1/password-resets", { email: "ann@example.org" })).status,
        202,
      );
    }
    const sent = (await mailbox.collect()).map((mail) => mail.envelopeTo[0]);
    assert.equal(sent.filter((to) => to === "victim@example.org").length, 4);
    assert.equal(sent.filter((to) => to === "ann@example.org").length, 3);
    const statuses = [];
    for (let count = 0; count < 15; count += 1) {
      statuses.push(
        (await post(instance, "/api/v1/password-resets", { email: `x${count}@example.org` })).status,
      );
    }
    assert.deepEqual([...new Set(statuses)], [202, 429]);
    instance.clock.move(3_600_000);
    assert.equal((await post(instance, "/api/v1/password-resets", { email: "x@example.org" })).status, 202);
  });

  test("a forgotten password is replaced by a link, once, and everything got with the old one ends", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const ann = await insertAnn(instance);
    const browser = await openBrowser(instance, "ann");
    const bearer = await getToken(instance, "repository:ann/x:pull", ann);
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ann, { name: "ci" });
    const accessToken = textField(await made.json(), "secret");
    assert.match((await mailbox.one("ann@example.org")).parsed.subject ?? "", /access token was made/);

    const asked = await post(instance, "/api/v1/password-resets", { email: "ANN@example.org" });
    const unknown = await post(instance, "/api/v1/password-resets", { email: "nobody@example.org" });
    assert.deepEqual([asked.status, await asked.text()], [unknown.status, await unknown.text()]);
    const token = tokenIn(await mailbox.one("ann@example.org"));
    const complete = (secret: string, more = {}) =>
      post(instance, "/api/v1/password-resets/completions", { token, password: secret, ...more });
    assert.equal((await complete("short")).status, 400, "the link still works after a bad password");
    assert.equal((await me(instance, password)).status, 200, "nothing has changed by asking");
    const replies = await Promise.all([complete(fresh), complete(fresh)]);
    assert.deepEqual(statusesOf(replies), [204, 404]);
    assert.equal((await complete(fresh)).status, 404);

    assert.equal((await me(instance, fresh)).status, 200);
    assert.equal((await me(instance, password)).status, 401);
    assert.equal((await browser.send("GET", "/api/v1/me")).status, 401);
    assert.equal((await instance.fetch("/api/v1/me", { authorization: `Bearer ${bearer}` })).status, 401);
    assert.equal((await me(instance, accessToken)).status, 200, "access tokens stay unless asked otherwise");
    assert.match((await mailbox.one("ann@example.org")).parsed.subject ?? "", /password was changed/);

    await post(instance, "/api/v1/password-resets", { email: "ann@example.org" });
    const again = tokenIn(await mailbox.one("ann@example.org"));
    const body = { token: again, password, revokeAccessTokens: true };
    assert.equal((await post(instance, "/api/v1/password-resets/completions", body)).status, 204);
    assert.equal((await me(instance, accessToken)).status, 401);
    const log = JSON.stringify(instance.lines);
    for (const secret of [token, again, fresh]) assert.equal(log.includes(secret), false);
  });

  test("a reset link expires after half an hour, and works only for what it was made for", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await insertAnn(instance);
    await post(instance, "/api/v1/password-resets", { email: "ann@example.org" });
    const token = tokenIn(await mailbox.one("ann@example.org"));
    assert.equal((await post(instance, "/api/v1/email-verifications", { token })).status, 404);
    const complete = () => post(instance, "/api/v1/password-resets/completions", { token, password: fresh });
    instance.clock.move(30 * 60_000);
    assert.equal((await complete()).status, 404);
    instance.clock.move(-1);
    await instance.identity.createUser({ username: "root2", password, isAdmin: true });
    await sendJson(instance, "PATCH", "/api/v1/users/ann", basic("root2", password), { isDisabled: true });
    assert.equal((await complete()).status, 404, "not for an account that was disabled");
  });

  test("who signs in elsewhere is told so by mail, robots not at all", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    await insertAnn(instance);
    await instance.database.transaction((tx) =>
      tx.updateTable("users").set({ password_hash: null }).execute(),
    );
    await post(instance, "/api/v1/password-resets", { email: "ann@example.org" });
    assert.match((await mailbox.one("ann@example.org")).parsed.subject ?? "", /no password here/);
    await instance.database.transaction((tx) => tx.updateTable("users").set({ kind: "robot" }).execute());
    await post(instance, "/api/v1/password-resets", { email: "ann@example.org" });
    assert.deepEqual(await mailbox.collect(), []);
  });

  test("a new address counts when it is confirmed; the old one is told both times", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const ann = await insertAnn(instance);
    const change = (body: unknown) => sendJson(instance, "PATCH", "/api/v1/me", ann, body);
    assert.equal((await change({ email: "new@example.org" })).status, 403);
    assert.equal((await change({ email: "new@example.org", currentPassword: "wrong" })).status, 403);
    assert.deepEqual(await mailbox.collect(), []);
    const asked = await change({ email: "New@example.org", currentPassword: password, fullName: "Ann Ö" });
    const account: unknown = await asked.json();
    assert.equal(field(account, "email"), "ann@example.org");
    assert.equal(field(account, "pendingEmail"), "new@example.org");
    assert.equal(field(account, "fullName"), "Ann Ö");
    const mails = await mailbox.collect();
    assert.deepEqual(
      new Set(mails.map((mail) => mail.envelopeTo[0])),
      new Set(["ann@example.org", "new@example.org"]),
    );
    assert.equal(mails.length, 2);
    const sent = mails.find((mail) => mail.envelopeTo[0] === "new@example.org");
    assert.ok(sent);
    const reply = await post(instance, "/api/v1/email-verifications", { token: tokenIn(sent) });
    assert.deepEqual(await reply.json(), { username: "ann", outcome: "email-changed" });
    assert.match((await mailbox.one("ann@example.org")).parsed.subject ?? "", /was changed/);
    const row = await instance.database.read.selectFrom("users").selectAll().executeTakeFirstOrThrow();
    assert.equal(row.email, "new@example.org");
    assert.equal(row.email_verified_at_ms, instance.clock.nowMs());
  });

  test("an address of somebody else's is not given away, and not taken", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const ann = await insertAnn(instance);
    await signUp(instance, "bob", "bob@example.org");
    const token = tokenIn(await mailbox.one("bob@example.org"));
    await post(instance, "/api/v1/email-verifications", { token });
    const taken = await sendJson(instance, "PATCH", "/api/v1/me", ann, {
      email: "bob@example.org",
      currentPassword: password,
    });
    assert.equal(taken.status, 200);
    assert.equal(field(await taken.json(), "pendingEmail"), "bob@example.org");
    const mails = await mailbox.collect();
    const toBob = mails.find((mail) => mail.envelopeTo[0] === "bob@example.org");
    assert.match(toBob?.parsed.subject ?? "", /have an account already/);
    assert.doesNotMatch(toBob?.parsed.text ?? "", /#token=/);
  });

  test("a new password needs the present one, and ends what was got with it", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const ann = await insertAnn(instance);
    const browser = await openBrowser(instance, "ann");
    const change = (body: unknown) => sendJson(instance, "PATCH", "/api/v1/me", ann, body);
    assert.equal((await change({ password: fresh })).status, 403);
    assert.equal((await change({ password: fresh, currentPassword: "wrong" })).status, 403);
    assert.equal((await change({ password: "short", currentPassword: password })).status, 400);
    assert.equal((await change({ password: fresh, currentPassword: password })).status, 200);
    assert.equal((await me(instance, fresh)).status, 200);
    assert.equal((await me(instance, password)).status, 401);
    assert.equal((await browser.send("GET", "/api/v1/me")).status, 401);
    assert.match((await mailbox.one("ann@example.org")).parsed.subject ?? "", /password was changed/);
    const entries = await instance.database.read.selectFrom("audit_entries").selectAll().execute();
    const text = JSON.stringify(entries) + JSON.stringify(instance.lines);
    for (const secret of [fresh, password]) assert.equal(text.includes(secret), false);
  });

  test("the pages that links lead to change nothing by being opened, and run only their own script", async (t) => {
    const { instance } = await setUp(t, await open(t));
    for (const name of ["confirm-email", "reset-password"]) {
      const reply = await instance.fetch(`/account/${name}`);
      assert.equal(reply.status, 200);
      assert.match(reply.headers.get("content-type") ?? "", /^text\/html/);
      assert.match(
        reply.headers.get("content-security-policy") ?? "",
        /^default-src 'none'; script-src 'sha256-/,
      );
      assert.equal(reply.headers.get("referrer-policy"), "no-referrer");
      assert.match(await reply.text(), /<form>/);
    }
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("no link to a new password is sent to an address that an account is losing", async (t) => {
    const { instance, mailbox } = await setUp(t, await open(t));
    const { database } = instance;
    await insertAnn(instance);
    const letGo = await holdTransaction(database, async (tx) => {
      const { userId = 0 } = (await findCardByEmail(tx, toAddress("ann@example.org"))) ?? {};
      await lockCard(tx, userId);
      await updateCard(tx, userId, { email: toAddress("new@example.org"), emailVerifiedAtMs: 0 });
      await deleteAccountLinksOf(tx, userId);
    });
    const asking = post(instance, "/api/v1/password-resets", { email: "ann@example.org" });
    await untilWaiting(database, 1, asking);
    await letGo();
    assert.equal((await asking).status, 202);
    assert.deepEqual(await database.read.selectFrom("account_links").selectAll().execute(), []);
    assert.deepEqual(await mailbox.collect(), []);
  });
});
