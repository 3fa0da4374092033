import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { describe, type TestContext, test } from "node:test";
import type { BlobReader } from "../storage/blob-store/blob-store.ts";
import type { BlobBody } from "./endpoint.ts";
import { createTestFile, sha256, type TestFile } from "./testing/file-reader.ts";
import { connectRaw, get, startTestServer, type TestServerOptions, until } from "./testing/test-server.ts";

const limit = { timeout: 60_000 };

/** A server with one blob at /blob; `?ranges=0-9,20-29` asks for ranges. */
async function serveFile(context: TestContext, sizeBytes: number, options: TestServerOptions) {
  const file = await createTestFile(context, sizeBytes);
  const server = await startTestServer(
    context,
    [blobEndpoint(file, "GET"), blobEndpoint(file, "HEAD")],
    options,
  );
  return { file, ...server };
}

function blobEndpoint(file: TestFile, method: "GET" | "HEAD") {
  return get(
    "/blob",
    async (_call, request) => {
      const ranges = parseRanges(request.query.get("ranges"));
      return {
        status: ranges === undefined ? 200 : 206,
        body: { kind: "blob", reader: await file.openReader(), ranges, contentType: "application/x-test" },
      };
    },
    { method, id: `blob.${method}` },
  );
}

function parseRanges(text: string | null): BlobBody["ranges"] {
  return text?.split(",").map((range) => {
    const [start = 0, end = 0] = range.split("-").map(Number);
    return { start, end };
  });
}

interface Received {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly bytes: Buffer;
  readonly localPort: number;
}

function fetchBytes(port: number, path: string, agent: Agent, method = "GET"): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ port, host: "127.0.0.1", path, agent, method }, (response) => {
      const localPort = response.socket.localPort ?? 0;
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      response.on("end", () => {
        const { headers } = response;
        resolve({ status: response.statusCode ?? 0, headers, bytes: Buffer.concat(chunks), localPort });
      });
    });
    outgoing.on("error", reject).end();
  });
}

function newAgent(context: TestContext, maxSockets: number): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets });
  context.after(() => agent.destroy());
  return agent;
}

/** Asks until the thread that sends has been started, and tells how often. */
async function warmUp(context: TestContext, port: number, file: TestFile): Promise<number> {
  const agent = newAgent(context, 1);
  for (let requests = 1; ; requests += 1) {
    const before = file.readBytes();
    await fetchBytes(port, "/blob", agent);
    if (file.readBytes() - before === file.bytes.byteLength) continue;
    agent.destroy();
    return requests;
  }
}

const openDescriptors = () => readdirSync("/proc/self/fd").length;
const isLinux = process.platform === "linux";

for (const sendfile of ["off", "auto"] as const) {
  const options = { sendfile };
  describe(`blobs with sendfile ${sendfile}`, {
    skip: sendfile === "auto" && !isLinux && "sendfile is called on Linux only",
  }, () => {
    test("sends every size whole, one after the other on one connection", limit, async (context) => {
      const agent = newAgent(context, 1);
      const ports = new Set<number>();
      const edges = [65_536, 131_072, 262_144, 524_288, 1_048_576, 4_194_304];
      const sizes = [0, 1, ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]), 12_582_913];
      const files = await Promise.all(sizes.map((size) => createTestFile(context, size)));
      const { port, finished } = await startTestServer(
        context,
        files.map((file, index) =>
          get(`/blobs/${index}`, async () => ({
            status: 200,
            body: {
              kind: "blob",
              reader: await file.openReader(),
              ranges: undefined,
              contentType: "application/x-test",
            },
          })),
        ),
        options,
      );
      for (const [index, file] of files.entries()) {
        const received = await fetchBytes(port, `/blobs/${index}`, agent);
        assert.equal(received.status, 200);
        assert.equal(received.headers["content-length"], String(file.bytes.byteLength));
        assert.equal(sha256(received.bytes), sha256(file.bytes), `${file.bytes.byteLength} bytes`);
        ports.add(received.localPort);
      }
      assert.equal(ports.size, 1);
      const lines = await finished(sizes.length);
      assert.deepEqual(
        lines.map((line) => line["bytesOut"]),
        sizes,
      );
      await until(() => files.every((file) => file.openReaders() === 0));
    });

    test("sends one range with its place, and nothing around it", limit, async (context) => {
      const { file, port } = await serveFile(context, 3_000_000, options);
      const agent = newAgent(context, 1);
      for (const [start, end] of [
        [0, 0],
        [2_999_999, 2_999_999],
        [17, 2_000_016],
        [1_000_000, 2_999_999],
      ] as const) {
        const received = await fetchBytes(port, `/blob?ranges=${start}-${end}`, agent);
        assert.equal(received.status, 206);
        assert.equal(received.headers["content-range"], `bytes ${start}-${end}/3000000`);
        assert.equal(received.headers["content-type"], "application/x-test");
        assert.equal(received.headers["content-length"], String(end - start + 1));
        assert.equal(sha256(received.bytes), sha256(file.bytes.subarray(start, end + 1)));
      }
    });

    test("sends several ranges as one multipart body of the length it says", limit, async (context) => {
      const { file, port } = await serveFile(context, 3_000_000, options);
      const agent = newAgent(context, 1);
      const ranges = [
        [0, 9],
        [500_000, 1_900_000],
        [2_999_999, 2_999_999],
      ] as const;
      const list = ranges.map(([start, end]) => `${start}-${end}`).join(",");
      const received = await fetchBytes(port, `/blob?ranges=${list}`, agent);
      assert.equal(received.status, 206);
      assert.equal(received.headers["content-range"], undefined);
      assert.equal(received.headers["content-length"], String(received.bytes.byteLength));
      const boundary = /^multipart\/byteranges; boundary=([0-9a-f]+)$/.exec(
        received.headers["content-type"] ?? "",
      )?.[1];
      const expected = ranges.flatMap(([start, end], index) => [
        Buffer.from(
          `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: application/x-test\r\nContent-Range: bytes ${start}-${end}/3000000\r\n\r\n`,
        ),
        file.bytes.subarray(start, end + 1),
      ]);
      expected.push(Buffer.from(`\r\n--${boundary}--\r\n`));
      assert.equal(sha256(received.bytes), sha256(Buffer.concat(expected)));
      // The connection is where the next reply begins.
      const next = await fetchBytes(port, "/blob?ranges=0-3", agent);
      assert.deepEqual(next.bytes, file.bytes.subarray(0, 4));
    });

    test("answers HEAD with the headers alone, whatever the handler gives", limit, async (context) => {
      const { file, port } = await serveFile(context, 3_000_000, options);
      const client = await connectRaw(context, port);
      client.send("HEAD /blob HTTP/1.1\r\nHost: a\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.receive(/^HTTP\/1\.1 200 OK\r\n[^]*content-length: 3000000[^]*?\r\n\r\nHTTP\/1\.1 404 /i);
      await until(() => file.openReaders() === 0);
      assert.equal(file.readBytes(), 0);
    });

    test("answers requests that come without waiting for replies in their order", limit, async (context) => {
      const { file, port } = await serveFile(context, 2_000_000, options);
      const client = await connectRaw(context, port);
      const paths = ["/blob", "/blob?ranges=5-1500004", "/blob", "/nothing"];
      client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
      await client.receive(/HTTP\/1\.1 404 [^]*\}$/);
      const all = Buffer.from(client.received(), "latin1");
      let position = 0;
      for (const expected of [file.bytes, file.bytes.subarray(5, 1_500_005), file.bytes]) {
        const start = all.indexOf("\r\n\r\n", position) + 4;
        assert.match(all.subarray(position, start).toString(), /^HTTP\/1\.1 20[06] /);
        position = start + expected.byteLength;
        assert.equal(sha256(all.subarray(start, position)), sha256(expected));
      }
      assert.match(all.subarray(position).toString(), /^HTTP\/1\.1 404 /);
    });

    test("gives everything back when clients leave in the middle", limit, async (context) => {
      const { file, port, finished, lines, metric } = await serveFile(context, 20_000_000, options);
      const warmed = sendfile === "auto" ? await warmUp(context, port, file) : 0;
      const before = openDescriptors();
      for (let round = 0; round < 20; round += 1) {
        const client = await connectRaw(context, port);
        // With a second request that waits behind the first.
        client.send("GET /blob HTTP/1.1\r\nHost: a\r\n\r\nGET /blob HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.receive(/\r\n\r\n./);
        if (round % 2 === 0) client.socket.resetAndDestroy();
        else client.socket.destroy();
      }
      const requests = await finished(warmed + 40);
      for (const line of requests.slice(warmed)) assert.equal(line["aborted"], true);
      await until(() => file.openReaders() === 0);
      await until(async () => (await metric("entrepot_http_connections")) === 0);
      await until(() => openDescriptors() <= before);
      assert.deepEqual(
        lines.filter((line) => line.level === "error"),
        [],
      );
    });

    test("waits for a slow client, and cuts one that takes nothing at all", limit, async (context) => {
      const { file, port, finished } = await serveFile(context, 20_000_000, {
        ...options,
        limits: { idleTimeoutMs: 1_500 },
      });
      const slow = await connectRaw(context, port);
      slow.send("GET /blob HTTP/1.1\r\nHost: a\r\n\r\n");
      for (let pause = 0; pause < 6; pause += 1) {
        slow.socket.pause();
        await new Promise((resolve) => setTimeout(resolve, 200));
        const before = slow.socket.bytesRead;
        slow.socket.resume();
        await until(() => slow.socket.bytesRead >= Math.min(before + 500_000, 20_000_000));
      }
      await until(() => slow.received().endsWith(file.bytes.subarray(-64).toString("latin1")));
      const body = Buffer.from(slow.received(), "latin1").subarray(slow.received().indexOf("\r\n\r\n") + 4);
      assert.equal(sha256(body), sha256(file.bytes));

      const stuck = await connectRaw(context, port);
      stuck.socket.pause();
      stuck.send("GET /blob HTTP/1.1\r\nHost: a\r\n\r\n");
      const [, line] = await finished(2);
      assert.equal(line?.["aborted"], true);
      await until(() => file.openReaders() === 0);
    });

    test("serves sixteen at once, each with the right bytes, and counts them", limit, async (context) => {
      const { file, port, metric, finished } = await serveFile(context, 6_000_001, options);
      const warmed = sendfile === "auto" ? await warmUp(context, port, file) : 0;
      const readBefore = file.readBytes();
      const agent = newAgent(context, 16);
      const wanted = sha256(file.bytes);
      const all = await Promise.all(Array.from({ length: 48 }, () => fetchBytes(port, "/blob", agent)));
      for (const received of all) assert.equal(sha256(received.bytes), wanted);
      await finished(warmed + 48);
      // What the kernel sent by itself never came through the reader.
      assert.equal(file.readBytes() - readBefore, 48 * (sendfile === "auto" ? 16_384 : 6_000_001));
      assert.equal(await metric('entrepot_http_bytes_total{direction="out"}'), (warmed + 48) * 6_000_001);
    });

    test("breaks the connection off when storage ends before the blob does", limit, async (context) => {
      const file = await createTestFile(context, 1_000_000);
      const { port, lines } = await startTestServer(
        context,
        [
          get("/short", async () => ({
            status: 200,
            body: {
              kind: "blob",
              reader: { ...(await file.openReader()), sizeBytes: 1_000_100 },
              ranges: undefined,
              contentType: "application/x-test",
            },
          })),
        ],
        options,
      );
      await assert.rejects(fetchBytes(port, "/short", newAgent(context, 1)));
      await until(() => file.openReaders() === 0);
      assert.equal(lines.filter((line) => line.message === "a reply broke off").length, 1);
    });
  });
}

test("tells the client when a small blob cannot be read", limit, async (context) => {
  const reader: BlobReader = {
    sizeBytes: 100,
    fileDescriptor: undefined,
    read: async () => {
      throw new Error("the disk is gone");
    },
    close: async () => {},
  };
  const { port } = await startTestServer(context, [
    get("/v2/blob", async () => ({
      status: 200,
      headers: { etag: '"x"' },
      body: { kind: "blob", reader, ranges: undefined, contentType: "application/x-test" },
    })),
  ]);
  const response = await fetch(`http://127.0.0.1:${port}/v2/blob`);
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("etag"), null);
  assert.doesNotMatch(await response.text(), /disk/);
});
