import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import type { UserActor } from "../../access/actor.ts";
import { startTestServer } from "../../http/testing/test-server.ts";
import { createMovableClock } from "../../identity/testing/movable-clock.ts";
import type { EmailAddress } from "../../lib/email-address.ts";
import { silentLog } from "../../lib/log.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { createEmail } from "./email.ts";
import { createMailQueue } from "./mail-queue.ts";
import { createMailSender } from "./mail-sender.ts";
import { markMailDead, pruneMails, requeueMail } from "./mail-store.ts";
import type { SmtpSettings } from "./smtp-client.ts";
import { startMailServer } from "./testing/mail-server.ts";

const publicUrl = "https://registry.example.org";
const ada: UserActor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "ada",
  isAdmin: true,
  isAuditor: false,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};
type Body = Record<string, unknown>;

async function setUp(t: TestContext, database: Database, smtp: SmtpSettings | undefined) {
  const clock = createMovableClock();
  const secretBox = createSecretBox([Buffer.alloc(32, 1)]);
  const deps = {
    database,
    clock,
    secretBox,
    smtp,
    publicUrl: smtp === undefined ? undefined : publicUrl,
    log: silentLog,
    instanceId: "one",
  };
  const email = createEmail({ ...deps, metrics: new Registry() });
  t.after(() => email.stop());
  const { port } = await startTestServer(t, email.endpoints, { authenticate: async () => ada });
  const call = async (method: string, path: string, body?: unknown) => {
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: (await reply.json()) as Body }; // as: every reply here is an object
  };
  const queue = createMailQueue(secretBox);
  const write = (to: string) =>
    database.transaction((tx) =>
      queue.queue(tx, {
        to: to as EmailAddress, // as: written by this test
        kind: "password-reset",
        data: { username: "ann", path: "/account/reset-password#token=very-secret", minutes: 30 },
        nowMs: clock.nowMs(),
      }),
    );
  return { call, write, clock, email, deps };
}

function idsOf(body: Body): readonly number[] {
  return (body["mails"] as { readonly id: number }[]).map(({ id }) => id); // as: the reply's shape
}

eachDatabase((open) => {
  test("without a mail server mails wait, and the answer says what is missing", async (t) => {
    const database = await open(t);
    const { call, write, email } = await setUp(t, database, undefined);
    email.start();
    await write("ann@example.org");
    const { body } = await call("GET", "/api/v1/mails");
    assert.deepEqual(body["counts"], { queued: 1, sent: 0, dead: 0 });
    const delivery = body["delivery"] as Body; // as: the reply's shape
    assert.equal(delivery["isConfigured"], false);
    assert.match(String(delivery["note"]), /set/);
    const tried = await call("POST", "/api/v1/mails/tests", { to: "ann@example.org" });
    assert.equal(tried.body["isSent"], false);
    assert.match(String(tried.body["detail"]), /smtp\.host/);
  });

  test("lists mails newest first, by state and by pages, and never what they say", async (t) => {
    const server = await startMailServer(t);
    const { call, write } = await setUp(t, await open(t), server.settings);
    for (const name of ["a", "b", "c"]) await write(`${name}@example.org`);
    const first = await call("GET", "/api/v1/mails?n=2&state=queued");
    assert.equal(JSON.stringify(first.body).includes("very-secret"), false);
    const second = await call("GET", String(first.body["next"]));
    const ids = [...idsOf(first.body), ...idsOf(second.body)];
    assert.deepEqual(
      ids,
      [...ids].sort((left, right) => right - left),
    );
    assert.equal(ids.length, 3);
    assert.equal(second.body["next"], null);
    assert.deepEqual(idsOf((await call("GET", "/api/v1/mails?state=dead")).body), []);
    assert.equal((await call("GET", "/api/v1/mails?state=nonsense")).status, 400);
  });

  test("a mail that was given up is tried again when somebody says so, and forgotten after a month", async (t) => {
    const server = await startMailServer(t);
    const database = await open(t);
    const { call, write, clock, email, deps } = await setUp(t, database, server.settings);
    const sender = createMailSender({ ...deps, smtp: server.settings, publicUrl, metrics: new Registry() });
    server.refuse = () => ({ code: 550, message: "no such user" });
    await write("ann@example.org");
    await sender.sendDue();
    const [id] = idsOf((await call("GET", "/api/v1/mails?state=dead")).body);
    server.refuse = undefined;
    assert.equal((await call("POST", `/api/v1/mails/${id}/retries`)).status, 200);
    assert.equal(await sender.sendDue(), 1);
    assert.equal((await call("POST", `/api/v1/mails/${id}/retries`)).status, 404, "it was sent");
    assert.equal((await call("POST", "/api/v1/mails/999999/retries")).status, 404);
    clock.move(8 * 86_400_000);
    await email.prune();
    assert.deepEqual(idsOf((await call("GET", "/api/v1/mails")).body), []);
    const audited = await database.read.selectFrom("audit_entries").select("action").execute();
    assert.deepEqual(
      audited.map(({ action }) => action),
      ["mail.retry"],
    );
  });

  test("a test mail goes out at once, and what the server says comes back", async (t) => {
    const server = await startMailServer(t);
    const { call } = await setUp(t, await open(t), server.settings);
    const sent = await call("POST", "/api/v1/mails/tests", { to: " Ann@example.org " });
    assert.equal(sent.body["isSent"], true, JSON.stringify(sent.body));
    assert.equal(server.received[0]?.parsed.subject, "Mail works");
    server.refuse = () => ({ code: 550, message: "no such user" });
    const refused = await call("POST", "/api/v1/mails/tests", { to: "ann@example.org" });
    assert.equal(refused.body["isSent"], false);
    assert.match(String(refused.body["detail"]), /no such user/);
    for (const to of ["nobody", "a@b.org,c@d.org", "a@b.org\r\nBcc: c@d.org"]) {
      assert.equal((await call("POST", "/api/v1/mails/tests", { to })).status, 400, to);
    }
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("a mail that is to be tried again at the moment when it would be forgotten stays", async (t) => {
    const database = await open(t);
    const { write, clock } = await setUp(t, database, undefined);
    await write("ann@example.org");
    const { id } = await database.read.selectFrom("mails").select("id").executeTakeFirstOrThrow();
    await database.transaction((tx) => markMailDead(tx, id, "no"));
    const letGo = await holdTransaction(database, (tx) => requeueMail(tx, id, clock.nowMs()));
    const old = { state: "dead", beforeMs: clock.nowMs() + 1, limit: 10 } as const;
    const pruning = database.transaction((tx) => pruneMails(tx, old));
    await untilWaiting(database, 1, pruning);
    await letGo();
    await pruning;
    assert.equal((await database.read.selectFrom("mails").select("id").execute()).length, 1);
  });
});
