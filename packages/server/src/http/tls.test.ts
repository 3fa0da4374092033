import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import type { TlsFiles } from "./http-deps.ts";
import { createTestFile, sha256 } from "./testing/file-reader.ts";
import { get, startTestServer, until } from "./testing/test-server.ts";

const run = promisify(execFile);
const limit = { timeout: 30_000 };

async function newCertificate(context: TestContext, name: string): Promise<TlsFiles> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-tls-"));
  context.after(() => rm(folder, { recursive: true }));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  await run("openssl", ["req", "-x509", "-nodes", ...curve, ...subject, "-keyout", key, "-out", certificate]);
  return { certificate: await readFile(certificate), key: await readFile(key) };
}

interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

function fetchTls(port: number, path: string, authority: TlsFiles, servername: string): Promise<Received> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1", path, ca: authority.certificate, servername, agent: false };
    httpsRequest({ ...options, headers: { host: servername } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes: Buffer.concat(chunks),
        }),
      );
    })
      .on("error", reject)
      .end();
  });
}

test("serves blobs and tells browsers to come with TLS only", limit, async (context) => {
  const tls = await newCertificate(context, "one.test");
  const file = await createTestFile(context, 3_000_000);
  const { port, metric, finished } = await startTestServer(
    context,
    [
      get("/blob", async () => ({
        status: 200,
        body: {
          kind: "blob",
          reader: await file.openReader(),
          ranges: undefined,
          contentType: "application/x-test",
        },
      })),
      get("/origin", async (_call, { origin }) => ({ status: 200, body: { kind: "text", text: origin } })),
    ],
    // Sendfile would write past the encryption.
    { tls, sendfile: "auto" },
  );
  const blob = await fetchTls(port, "/blob", tls, "one.test");
  assert.equal(sha256(blob.bytes), sha256(file.bytes));
  assert.match(String(blob.headers["strict-transport-security"]), /^max-age=\d+$/);
  const origin = await fetchTls(port, "/origin", tls, "one.test");
  assert.equal(origin.bytes.toString(), "https://one.test");
  await finished(2);
  await until(async () => (await metric("entrepot_http_connections")) === 0);
});

test(
  "takes a new certificate for new connections, and keeps the old one when the new one is no good",
  limit,
  async (context) => {
    const first = await newCertificate(context, "one.test");
    const second = await newCertificate(context, "two.test");
    const { port, server } = await startTestServer(
      context,
      [get("/", async () => ({ status: 200, body: { kind: "text", text: "fine" } }))],
      { tls: first },
    );
    assert.equal((await fetchTls(port, "/", first, "one.test")).status, 200);
    assert.throws(() => server.replaceTls({ certificate: second.certificate, key: first.key }));
    assert.throws(() => server.replaceTls({ certificate: Buffer.from("x"), key: first.key }));
    assert.equal((await fetchTls(port, "/", first, "one.test")).status, 200);
    server.replaceTls(second);
    assert.equal((await fetchTls(port, "/", second, "two.test")).status, 200);
    await assert.rejects(fetchTls(port, "/", first, "one.test"));
  },
);

test("drains with silent connections and unfinished handshakes about", limit, async (context) => {
  const tls = await newCertificate(context, "one.test");
  const { port, server } = await startTestServer(context, [get("/", async () => ({ status: 200 }))], { tls });
  const silent = connect({ port, host: "127.0.0.1", ca: tls.certificate, servername: "one.test" });
  const handshaking = connectPlain({ port, host: "127.0.0.1" });
  const closed = { silent: false, handshaking: false };
  silent
    .on("error", () => {})
    .on("close", () => {
      closed.silent = true;
    });
  handshaking
    .on("error", () => {})
    .on("close", () => {
      closed.handshaking = true;
    });
  await new Promise((resolve) => silent.once("secureConnect", resolve));
  const drained = server.drain(1_000);
  silent.resume();
  await until(() => closed.silent);
  assert.equal(closed.handshaking, false);
  handshaking.resume();
  await drained;
  await until(() => closed.handshaking);
});
