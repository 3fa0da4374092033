import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { AppError } from "../lib/app-error.ts";
import type { Reply } from "./endpoint.ts";
import { connectRaw, get, startTestServer, type TestServerOptions, until } from "./testing/test-server.ts";

const limit = { timeout: 30_000 };
const path = "/v2/{name}/blobs/uploads/";

/** Refuses every body unread, as a missing permission or an unknown upload does. */
const refusing = get(
  path,
  async () => {
    throw new AppError("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  },
  { id: "test.refuse", method: "PUT" },
);

const taking = get(
  path,
  (_call, request) =>
    new Promise<Reply>((resolve, reject) => {
      let bytes = 0;
      request.raw.on("data", (chunk: Buffer) => {
        bytes += chunk.byteLength;
      });
      request.raw.on("error", reject);
      request.raw.on("end", () => resolve({ status: 201, body: { kind: "text", text: `got ${bytes}` } }));
    }),
  { id: "test.take", method: "POST" },
);

const locked: TestServerOptions = {
  authenticate: async () => {
    throw new AppError("UNAUTHORIZED", "wrong password");
  },
};
const lockedTaking = { ...taking, can: { who: "repository", action: "push" } } as const;

function head(method: string, more: string): string {
  return `${method} /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n${more}\r\n\r\n`;
}

test("answers before the body has come, reads on, and takes the next request", limit, async (context) => {
  const { port } = await startTestServer(context, [refusing]);
  const client = await connectRaw(context, port);
  client.send(head("PUT", "Content-Length: 8000000"));
  await client.receive(/^HTTP\/1\.1 404 [^]*BLOB_UPLOAD_UNKNOWN[^]*\}$/);
  client.send(Buffer.alloc(8_000_000));
  client.send(head("PUT", "Content-Length: 0"));
  await client.receive(/\}HTTP\/1\.1 404 [^]*\}$/);
});

test(
  "lets a client that goes on sending see the reply before it cuts the connection",
  limit,
  async (context) => {
    const { port } = await startTestServer(context, [refusing]);
    for (const framing of ["Content-Length: 400000000", "Transfer-Encoding: chunked"]) {
      for (const connection of ["keep-alive", "close"]) {
        const client = await connectRaw(context, port);
        client.send(head("PUT", `${framing}\r\nConnection: ${connection}`));
        const isChunked = framing.startsWith("Transfer");
        const piece = Buffer.alloc(1_000_000);
        const chunk = isChunked
          ? Buffer.concat([Buffer.from("f4240\r\n"), piece, Buffer.from("\r\n")])
          : piece;
        let sentBytes = 0;
        while (sentBytes < 200_000_000 && !client.socket.destroyed && !client.socket.readableEnded) {
          const written = new Promise<void>((resolve) => client.socket.write(chunk, () => resolve()));
          await Promise.race([written, client.closed()]);
          sentBytes += chunk.byteLength;
        }
        assert.match(client.received(), /^HTTP\/1\.1 404 [^]*BLOB_UPLOAD_UNKNOWN[^]*\}$/);
        // Bounded: what the socket buffers hold comes on top.
        assert.ok(sentBytes < 60_000_000, `${sentBytes} bytes were taken`);
      }
    }
  },
);

test("cuts a client that neither sends the rest nor goes", limit, async (context) => {
  const { port, finished } = await startTestServer(context, [refusing], { limits: { idleTimeoutMs: 300 } });
  const client = await connectRaw(context, port);
  client.send(head("PUT", "Content-Length: 100"));
  await client.receive(/^HTTP\/1\.1 404 /);
  await client.closed();
  await finished(1);
});

test("asks for the body only once the client may send it", limit, async (context) => {
  const { port } = await startTestServer(context, [lockedTaking], locked);
  const client = await connectRaw(context, port);
  client.send(head("POST", "Content-Length: 5\r\nExpect: 100-continue"));
  const [received] = await client.receive(/^HTTP\/1\.1 401 [^]*\}$/);
  assert.doesNotMatch(received, /100 Continue/);
  // The client will not send its body, so the connection cannot go on.
  await client.closed();

  const open = await startTestServer(context, [lockedTaking]);
  const allowed = await connectRaw(context, open.port);
  allowed.send(head("POST", "Content-Length: 5\r\nExpect: 100-continue"));
  await allowed.receive(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  allowed.send("hello");
  await allowed.receive(/HTTP\/1\.1 201 [^]*got 5$/);
});

test("counts what came in, chunked or not", limit, async (context) => {
  const { port, finished, metric } = await startTestServer(context, [taking]);
  const client = await connectRaw(context, port);
  client.send(head("POST", "Content-Length: 5"));
  client.send("hello");
  await client.receive(/got 5$/);
  const inFlight = () => metric("entrepot_http_requests_in_flight");
  await until(async () => (await inFlight()) === 0);
  client.send(head("POST", "Transfer-Encoding: chunked"));
  // The head is read by itself, so that what comes now is body alone.
  await until(async () => (await inFlight()) === 1);
  client.send("186a0\r\n");
  client.send(Buffer.alloc(100_000));
  client.send("\r\n0\r\n\r\n");
  await client.receive(/got 100000$/);
  const [first, second] = await finished(2);
  assert.equal(first?.["bytesIn"], 5);
  const chunked = Number(second?.["bytesIn"]);
  assert.ok(chunked >= 100_000 && chunked < 100_050, String(chunked));
  assert.ok((await metric('entrepot_http_bytes_total{direction="in"}')) >= 100_005);
});

test("hands on a body of any length that the handler reads", limit, async (context) => {
  const { port } = await startTestServer(context, [taking]);
  const url = `http://127.0.0.1:${port}/v2/a/blobs/uploads/`;
  for (const size of [0, 1, 20_000_000]) {
    const response = await fetch(url, { method: "POST", body: Buffer.alloc(size) });
    assert.equal(await response.text(), `got ${size}`);
  }
  const stream = new PassThrough();
  stream.end(Buffer.alloc(3_000_000));
  const response = await fetch(url, { method: "POST", body: stream, duplex: "half" });
  assert.equal(await response.text(), "got 3000000");
});
