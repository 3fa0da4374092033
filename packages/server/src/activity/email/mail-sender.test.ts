import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { createMovableClock } from "../../identity/testing/movable-clock.ts";
import { type EmailAddress, tryParseEmailAddress } from "../../lib/email-address.ts";
import { silentLog } from "../../lib/log.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createMailQueue } from "./mail-queue.ts";
import { createMailSender } from "./mail-sender.ts";
import { listMails } from "./mail-store.ts";
import type { SmtpSettings } from "./smtp-client.ts";
import { mailUser, startMailServer } from "./testing/mail-server.ts";

const publicUrl = "https://registry.example.org";

function address(text: string): EmailAddress {
  const parsed = tryParseEmailAddress(text);
  assert.ok(parsed);
  return parsed;
}

function setUp(t: TestContext, database: Database, smtp: SmtpSettings, instanceId = "one") {
  const clock = createMovableClock();
  const secretBox = createSecretBox([Buffer.alloc(32, 1)]);
  const metrics = new Registry();
  const sender = createMailSender({
    database,
    clock,
    secretBox,
    instanceId,
    metrics,
    smtp,
    publicUrl,
    log: silentLog,
  });
  t.after(() => sender.stop());
  const mailQueue = createMailQueue(secretBox);
  return {
    clock,
    sender,
    metrics,
    write: (to: string, title = "A notice", uselessAfterMs?: number) =>
      database.transaction((tx) =>
        mailQueue.queue(tx, {
          to: address(to),
          kind: "notice",
          data: { title, lines: ["One line."], link: { label: "Look", path: "/x#token=secret" } },
          nowMs: clock.nowMs(),
          uselessAfterMs,
        }),
      ),
    mails: () => listMails(database.read, { state: undefined, last: undefined, limit: 100 }),
    rows: () => database.read.selectFrom("mails").selectAll().execute(),
  };
}

eachDatabase((open) => {
  test("sends by STARTTLS, signed in, from the sender, in text and HTML, with UTF-8 in the subject", async (t) => {
    const server = await startMailServer(t);
    const { sender, write, rows } = setUp(t, await open(t), server.settings);
    await write(" Ann@Example.ORG ", "Grüße an 名前 <b>\r\nBcc: eve@evil.test\u0000");
    assert.equal((await rows())[0]?.sealed_data?.includes("secret"), false, "the link lies sealed");
    assert.equal(await sender.sendDue(), 1);
    const [mail] = server.received;
    assert.ok(mail);
    assert.deepEqual([mail.isTls, mail.user], [true, mailUser.user]);
    assert.equal(mail.envelopeFrom, "registry@example.org");
    assert.deepEqual(mail.envelopeTo, ["ann@example.org"]);
    const { parsed } = mail;
    assert.deepEqual(parsed.from, { name: "Entrepôt", address: "registry@example.org" });
    assert.equal(parsed.subject, "Grüße an 名前 <b> Bcc: eve@evil.test");
    assert.equal(parsed.bcc, undefined);
    assert.equal(/^bcc:/im.test(mail.raw), false);
    assert.match(
      parsed.text ?? "",
      /^One line\.\n\nLook:\nhttps:\/\/registry\.example\.org\/x#token=secret\n/,
    );
    assert.match(parsed.html ?? "", /href="https:\/\/registry\.example\.org\/x#token=secret"/);
    assert.match(parsed.html ?? "", /&lt;b&gt;/);
    assert.match(mail.raw, /^Auto-Submitted: auto-generated\r$/m);
    const [row] = await rows();
    assert.deepEqual([row?.state, row?.sealed_data, row?.attempts], ["sent", null, 1]);
    assert.equal(await sender.sendDue(), 0, "once");
  });

  test("sends over TLS from the first byte, and in clear where that is asked for", async (t) => {
    for (const tls of ["implicit", "none"] as const) {
      const server = await startMailServer(t, { tls });
      const { sender, write } = setUp(t, await open(t), server.settings);
      await write("ann@example.org");
      assert.equal(await sender.sendDue(), 1);
      assert.equal(server.received[0]?.isTls, tls === "implicit");
    }
  });

  test("sends nothing in clear when the upgrade is required and not offered", async (t) => {
    const server = await startMailServer(t, { tls: "none" });
    const { sender, write, mails } = setUp(t, await open(t), { ...server.settings, tls: "starttls" });
    await write("ann@example.org");
    assert.equal(await sender.sendDue(), 0);
    assert.deepEqual(server.received, []);
    assert.deepEqual(
      (await mails()).map((mail) => [mail.state, mail.attempts]),
      [["queued", 0]],
    );
  });

  test("takes no certificate that it cannot check", async (t) => {
    const server = await startMailServer(t);
    const { sender, write, mails } = setUp(t, await open(t), {
      ...server.settings,
      certificateAuthority: undefined,
    });
    await write("ann@example.org");
    assert.equal(await sender.sendDue(), 0);
    assert.deepEqual(server.received, []);
    assert.match((await mails())[0]?.lastError ?? "", /certificate/);
  });

  test("keeps every mail while the server is away or does not let us in, and sends them all later", async (t) => {
    const server = await startMailServer(t);
    const database = await open(t);
    const wrong = setUp(t, database, { ...server.settings, password: "wrong" });
    for (const name of ["ann", "bob"]) await wrong.write(`${name}@example.org`);
    for (let tries = 0; tries < 15; tries += 1) {
      assert.equal(await wrong.sender.sendDue(), 0);
      wrong.clock.move(300_000);
    }
    const waiting = await wrong.mails();
    assert.deepEqual(
      waiting.map((mail) => [mail.state, mail.attempts]),
      [
        ["queued", 0],
        ["queued", 0],
      ],
    );
    assert.match(waiting[0]?.lastError ?? "", /Invalid login/);
    assert.equal(JSON.stringify(waiting).includes("wrong"), false);
    const right = setUp(t, database, server.settings);
    right.clock.move(300_000 * 16);
    assert.equal(await right.sender.sendDue(), 2);
  });

  test("does not hammer a server that is in trouble", async (t) => {
    const server = await startMailServer(t);
    const { sender, write, clock, metrics } = setUp(t, await open(t), { ...server.settings, port: 1 });
    await write("ann@example.org");
    await sender.sendDue();
    await sender.sendDue();
    clock.move(4_999);
    await sender.sendDue();
    clock.move(1);
    await sender.sendDue();
    const text = await metrics.metrics();
    assert.match(text, /entrepot_mail_deliveries_total\{outcome="trouble"\} 2/);
    assert.match(text, /entrepot_mails\{state="queued"\} 1/);
  });

  test("tries again what was refused for now, gives up what was refused for good, and lets the others through", async (t) => {
    const server = await startMailServer(t);
    const { sender, write, clock, mails } = setUp(t, await open(t), server.settings);
    server.refuse = (recipient) =>
      recipient.startsWith("grey")
        ? { code: 451, message: "come back later" }
        : recipient.startsWith("gone")
          ? { code: 550, message: "no such user" }
          : undefined;
    for (const name of ["gone", "grey", "fine"]) await write(`${name}@example.org`);
    assert.equal(await sender.sendDue(), 1);
    const state = async () =>
      Object.fromEntries((await mails()).map((mail) => [mail.recipient.split("@")[0], mail.state]));
    assert.deepEqual(await state(), { gone: "dead", grey: "queued", fine: "sent" });
    clock.move(29_999);
    assert.equal(await sender.sendDue(), 0);
    server.refuse = undefined;
    clock.move(1);
    assert.equal(await sender.sendDue(), 1);
    assert.equal((await state())["grey"], "sent");
  });

  test("gives up after ten refusals", async (t) => {
    const server = await startMailServer(t);
    const { sender, write, clock, mails } = setUp(t, await open(t), server.settings);
    server.refuse = () => ({ code: 451, message: "never" });
    await write("grey@example.org");
    for (let tries = 0; tries < 12; tries += 1) {
      await sender.sendDue();
      clock.move(12 * 3_600_000);
    }
    const [mail] = await mails();
    assert.deepEqual([mail?.state, mail?.attempts], ["dead", 10]);
    assert.match(mail?.lastError ?? "", /never/);
  });

  test("does not send what comes too late, nor what was redirected in the database", async (t) => {
    const server = await startMailServer(t);
    const database = await open(t);
    const { sender, write, clock, mails } = setUp(t, database, server.settings);
    await write("late@example.org", "Late", clock.nowMs() + 1_000);
    await write("ann@example.org");
    await database.transaction((tx) =>
      tx
        .updateTable("mails")
        .set({ recipient: "eve@evil.test" })
        .where("recipient", "=", "ann@example.org")
        .execute(),
    );
    clock.move(1_000);
    assert.equal(await sender.sendDue(), 0);
    assert.deepEqual(server.received, []);
    assert.deepEqual(
      (await mails()).map((mail) => mail.state),
      ["dead", "dead"],
    );
  });

  test("sends each mail once from several instances, and what a dead one held after a while", async (t) => {
    const server = await startMailServer(t);
    const url = await open.url(t);
    const first = setUp(t, await open(t, { url }), server.settings, "one");
    const second = setUp(t, await open(t, { url }), server.settings, "two");
    for (let index = 0; index < 25; index += 1) await first.write(`u${index}@example.org`);
    const sent = await Promise.all([first.sender.sendDue(), second.sender.sendDue()]);
    assert.equal(sent[0] + sent[1], 25);
    assert.equal(new Set(server.received.map((mail) => mail.envelopeTo[0])).size, 25);
    assert.equal(server.received.length, 25);

    await first.write("held@example.org");
    const { claimDueMails } = await import("./mail-store.ts");
    const database = await open(t, { url });
    const nowMs = first.clock.nowMs();
    await database.transaction((tx) => claimDueMails(tx, { nowMs, untilMs: nowMs + 900_000, limit: 10 }));
    assert.equal(await first.sender.sendDue(), 0);
    first.clock.move(900_000);
    assert.equal(await first.sender.sendDue(), 1);
  });
});
