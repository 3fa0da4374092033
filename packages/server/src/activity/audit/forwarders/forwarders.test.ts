import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import type { UserActor } from "../../../access/actor.ts";
import { silentLog } from "../../../lib/log.ts";
import { eachDatabase } from "../../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../../storage/database/testing/held-transaction.ts";
import type { NewForwarder } from "../audit-schema.ts";
import { ada, openTestAudit, type TestAudit } from "../testing/open-test-audit.ts";
import type { ForwardingDeps } from "./forward-entries.ts";
import { removeForwarder, saveForwarder, showForwarders } from "./manage-forwarders.ts";

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

async function newCertificate(t: TestContext, name: string): Promise<Pair> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-syslog-"));
  t.after(() => rm(folder, { recursive: true }));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const args = ["req", "-x509", "-nodes", ...curve, ...subject, "-keyout", key, "-out", certificate];
  await promisify(execFile)("openssl", args);
  return { certificate: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") };
}

/** Takes octet-counted frames apart as RFC 5425 has them; throws on anything else. */
function unframe(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [whole = "", length = ""] = /^([1-9][0-9]*) /.exec(bytes.subarray(at, at + 12).toString()) ?? [];
    assert.notEqual(whole, "", "a frame begins with its length");
    const start = at + whole.length;
    messages.push(bytes.subarray(start, start + Number(length)).toString());
    at = start + Number(length);
  }
  return messages;
}

function collect(received: Buffer[]): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.on("error", () => undefined);
  };
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

const call = (actor: UserActor = ada) => ({
  requestId: "r",
  actor,
  client: undefined,
  log: silentLog,
  signal: new AbortController().signal,
});

function depsOf(log: TestAudit, isPlainAllowed = false): ForwardingDeps {
  const mayReach = (address: string) => address.startsWith("127.");
  const { database, clock, secretBox, outgoing } = log;
  return {
    database,
    clock,
    log: log.log,
    secretBox,
    outgoing,
    syslog: { mayReach, isPlainAllowed },
    version: "t",
  };
}

const state = async (log: TestAudit) => (await showForwarders(depsOf(log)))[0];
const sequences = (messages: readonly string[]) =>
  messages.map(
    (message) => (JSON.parse(message.slice(message.indexOf("{"))) as { sequence: number }).sequence,
  ); // as: sent by us

eachDatabase((open) => {
  test("syslog over TLS with a client certificate: every entry in order, again after a failure", async (t) => {
    const log = await openTestAudit(open, t);
    const [server, client, stranger] = await Promise.all(
      ["receiver.test", "registry.test", "stranger.test"].map((name) => newCertificate(t, name)),
    );
    assert.ok(server !== undefined && client !== undefined && stranger !== undefined);
    const received: Buffer[] = [];
    const options = { cert: server.certificate, key: server.key, ca: client.certificate, requestCert: true };
    const receiver = createTlsServer({ ...options, rejectUnauthorized: true }, collect(received));
    receiver.on("tlsClientError", () => undefined);
    const port = await listen(t, receiver);
    const settings: NewForwarder = {
      kind: "syslog",
      host: "127.0.0.1",
      port,
      serverName: "receiver.test",
      certificateAuthority: server.certificate,
      clientCertificate: stranger.certificate,
      clientKey: stranger.key,
    };
    await saveForwarder(depsOf(log), call(), "siem", settings);
    for (let index = 0; index < 600; index += 1) await log.record({ target: `thing ${index} ü` });
    await log.audit.seal();
    await log.audit.forward();
    assert.deepEqual(received, [], "a stranger's certificate is refused");
    const failed = await state(log);
    assert.deepEqual([failed?.forwarder.failures, failed?.forwarder.sentSequence], [1, 0]);
    assert.equal((failed?.waiting ?? 0) > 600, true);
    await log.audit.forward();
    assert.equal((await state(log))?.forwarder.failures, 1, "not before the pause is over");

    const right = { ...settings, clientCertificate: client.certificate, clientKey: client.key };
    await saveForwarder(depsOf(log), call(), "siem", right);
    await log.audit.seal();
    await log.audit.forward();
    const messages = unframe(Buffer.concat(received));
    const last = (await state(log))?.forwarder.sentSequence ?? 0;
    assert.deepEqual(
      sequences(messages),
      Array.from({ length: last }, (_, index) => index + 1),
    );
    assert.match(messages[1] ?? "", /^<110>1 2027-01-15T08:00:00\.000Z \S+ entrepot - test\.do - \{"id":/);
    const anchor = messages.find((message) => message.includes("audit.anchor"));
    assert.match(anchor ?? "", /"signature":"/, "the signed end travels with the entries");
    assert.equal(messages.join("").includes("PRIVATE KEY"), false);
    await log.audit.forward();
    assert.equal(unframe(Buffer.concat(received)).length, last, "nothing twice when nothing failed");
  });

  test("does not trust a receiver whose certificate is another's", async (t) => {
    const log = await openTestAudit(open, t);
    const [server, other] = await Promise.all(
      ["receiver.test", "other.test"].map((name) => newCertificate(t, name)),
    );
    const received: Buffer[] = [];
    const receiver = createTlsServer({ cert: server?.certificate, key: server?.key }, collect(received));
    receiver.on("tlsClientError", () => undefined);
    const port = await listen(t, receiver);
    for (const [serverName, authority] of [
      ["receiver.test", other],
      ["other.test", server],
    ] as const) {
      await saveForwarder(depsOf(log), call(), "siem", {
        kind: "syslog",
        host: "127.0.0.1",
        port,
        serverName,
        certificateAuthority: authority?.certificate ?? "",
      });
      await log.audit.seal();
      await log.audit.forward();
      assert.equal((await state(log))?.forwarder.failures, 1);
    }
    assert.deepEqual(received, []);
  });

  test("plain syslog only where it is allowed, and no address that must not be called", async (t) => {
    const log = await openTestAudit(open, t);
    const received: Buffer[] = [];
    const port = await listen(t, createTcpServer({ allowHalfOpen: false }, collect(received)));
    const plain: NewForwarder = { kind: "syslog", host: "127.0.0.1", port, transport: "tcp", format: "cef" };
    await assert.rejects(saveForwarder(depsOf(log), call(), "siem", plain), { code: "REQUEST_INVALID" });
    await saveForwarder(depsOf(log, true), call(), "siem", plain);
    await log.audit.seal();
    await log.audit.forward();
    assert.match((await state(log))?.forwarder.lastError ?? "", /not allowed/, "allowed no longer");
    assert.deepEqual(received, []);
    await saveForwarder(depsOf(log, true), call(), "siem", { ...plain, host: "10.0.0.1", transport: "tls" });
    await log.audit.seal();
    await log.audit.forward();
    assert.match((await state(log))?.forwarder.lastError ?? "", /must not call/);
  });

  test("posts batches over https with a signature, again until they are taken, and holds nobody up", async (t) => {
    const log = await openTestAudit(open, t);
    const posts: { readonly body: string; readonly signature: string }[] = [];
    let answers = [500, 200, 200];
    const receiver = createHttpServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const status = answers.shift() ?? 200;
        if (status === 200) posts.push({ body, signature: String(request.headers["x-entrepot-signature"]) });
        response.writeHead(status).end();
      });
    });
    const port = await listen(t, receiver);
    const secret = "a-secret-of-sixteen-or-more";
    await saveForwarder(depsOf(log), call(), "hook", {
      kind: "https",
      url: "https://hooks.example.org/x",
      secret,
    });
    // The interface wants https; a plain server stands for the receiver.
    await log.database.transaction((tx) =>
      tx
        .updateTable("audit_forwarders")
        .set({ settings: JSON.stringify({ kind: "https", url: `http://127.0.0.1:${port}/x` }) })
        .execute(),
    );
    await log.record({ target: "one" });
    await log.audit.seal();
    await log.audit.forward();
    assert.equal(posts.length, 0);
    await log.record({ target: "two" });
    log.clock.move(1_000);
    await log.audit.seal();
    await log.audit.forward();
    const lines = posts.flatMap(({ body }) => body.trimEnd().split("\n"));
    assert.deepEqual(sequences(lines), [1, 2, 3, 4]);
    const [{ body, signature } = { body: "", signature: "" }] = posts;
    const [, seconds = "", mac = ""] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
    assert.equal(mac, createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex"));
    assert.equal(lines.join("").includes(secret), false);
    answers = [];
    await removeForwarder(depsOf(log), call(), "hook");
    await assert.rejects(removeForwarder(depsOf(log), call(), "hook"), { code: "NOT_FOUND" });
  });

  test("an administrator for a time cannot change where entries go", async (t) => {
    const log = await openTestAudit(open, t);
    const elevated = call({ ...ada, isElevatedAdmin: true, elevationIds: [1] });
    const body: NewForwarder = { kind: "https", url: "https://hooks.example.org/x" };
    await assert.rejects(saveForwarder(depsOf(log), elevated, "hook", body), { code: "DENIED" });
    const saved = await saveForwarder(depsOf(log), call(), "hook", body);
    assert.equal(saved.secret?.length, 43, "made and told once");
    assert.equal((await saveForwarder(depsOf(log), call(), "hook", body)).secret, undefined);
    await assert.rejects(removeForwarder(depsOf(log), elevated, "hook"), { code: "DENIED" });
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("settings that are saved while the secret is replaced keep the new one", async (t) => {
    const log = await openTestAudit(open, t);
    const { database } = log;
    const body: NewForwarder = { kind: "https", url: "https://hooks.example.org/x" };
    await saveForwarder(depsOf(log), call(), "hook", body);
    const letGo = await holdTransaction(database, (tx) =>
      tx.updateTable("audit_forwarders").set({ secret: "another" }).execute(),
    );
    const saving = saveForwarder(depsOf(log), call(), "hook", { ...body, isEnabled: false });
    await untilWaiting(database, 1, saving);
    await letGo();
    await saving;
    const { secret, isEnabled } = (await state(log))?.forwarder ?? {};
    assert.deepEqual([secret, isEnabled], ["another", false]);
  });
});
