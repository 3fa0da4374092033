import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../lib/app-error.ts";
import type { BlobReader } from "../storage/blob-store/blob-store.ts";
import type { Reply } from "./endpoint.ts";
import { connectRaw, get, startTestServer, until } from "./testing/test-server.ts";

const limit = { timeout: 60_000 };
const ok = get("/ok", async () => ({ status: 200, body: { kind: "text", text: "fine" } }));

/** A promise with its key. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

test("answers a broken percent sign instead of breaking off", limit, async (context) => {
  const { port } = await startTestServer(context, [
    get("/v2/{name}/tags/list", async () => ({ status: 200 })),
  ]);
  const response = await fetch(`http://127.0.0.1:${port}/v2/%zz/tags/list`);
  assert.equal(response.status, 400);
});

test("tells a client that speaks no HTTP so", limit, async (context) => {
  const { port } = await startTestServer(context, [ok]);
  const nonsense = await connectRaw(context, port);
  nonsense.send("this is no HTTP\r\n\r\n");
  await nonsense.receive(/^HTTP\/1\.1 400 /);
  await nonsense.closed();
});

test("writes nothing into a reply when nonsense follows its request", limit, async (context) => {
  const hold = gate();
  const reader: BlobReader = {
    sizeBytes: 2_000_000,
    fileDescriptor: undefined,
    async read(buffer, position) {
      if (position > 0) await hold.opened;
      return buffer.fill(120).byteLength;
    },
    close: async () => {},
  };
  const { port } = await startTestServer(context, [
    get("/slow", async () => ({
      status: 200,
      body: { kind: "blob", reader, ranges: undefined, contentType: "text/plain" },
    })),
  ]);
  const client = await connectRaw(context, port);
  client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.receive(/\r\n\r\nxxx/);
  client.send("this is no HTTP\r\n\r\n");
  await client.closed();
  hold.open();
  assert.match(client.received(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nx+$/);
});

test("says 431 when the headers are too long and 408 when they do not come", limit, async (context) => {
  const { port } = await startTestServer(context, [ok], { limits: { requestTimeoutMs: 700 } });
  const long = await connectRaw(context, port);
  long.send(`GET /ok HTTP/1.1\r\nHost: a\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`);
  await long.receive(/^HTTP\/1\.1 431 /);
  const slow = await connectRaw(context, port);
  slow.send("GET /ok HTTP/1.1\r\nHo");
  await slow.receive(/^HTTP\/1\.1 408 /);
  await slow.closed();
});

test("cuts a body that stalls, but not a handler that works longer than that", limit, async (context) => {
  const { port, finished } = await startTestServer(
    context,
    [
      get("/works", async () => {
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        return { status: 200, body: { kind: "text", text: "done" } };
      }),
      get(
        "/takes",
        (_call, request) =>
          new Promise<Reply>((resolve, reject) => {
            request.raw.on("error", reject).on("end", () => resolve({ status: 200 }));
            request.raw.resume();
          }),
        { method: "PUT" },
      ),
    ],
    { limits: { idleTimeoutMs: 600 } },
  );
  const working = await connectRaw(context, port);
  working.send("GET /works HTTP/1.1\r\nHost: a\r\n\r\n");
  await working.receive(/done$/);

  const stalled = await connectRaw(context, port);
  stalled.send("PUT /takes HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
  await stalled.closed();
  const [, line] = await finished(2);
  assert.equal(line?.["aborted"], true);
});

test("closes connections that say nothing at once when it drains", limit, async (context) => {
  const [begun, hold] = [gate(), gate()];
  const { port, server } = await startTestServer(context, [
    get("/slow", async () => {
      begun.open();
      await hold.opened;
      return { status: 200, body: { kind: "text", text: "whole" } };
    }),
    ok,
  ]);
  const silent = await connectRaw(context, port);
  const idle = await connectRaw(context, port);
  idle.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  await idle.receive(/fine$/);
  const busy = await connectRaw(context, port);
  busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await begun.opened;

  const startedAt = performance.now();
  const drained = server.drain(50_000);
  assert.equal(server.isDraining(), true);
  await silent.closed();
  await idle.closed();
  assert.ok(performance.now() - startedAt < 25_000);
  hold.open();
  await busy.receive(/whole$/);
  await drained;
  assert.ok(performance.now() - startedAt < 25_000);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/ok`));
});

test("cuts what is still under way at the drain deadline", limit, async (context) => {
  const begun = gate();
  const never = get("/never", () => {
    begun.open();
    return new Promise(() => {});
  });
  const { port, server } = await startTestServer(context, [never]);
  const client = await connectRaw(context, port);
  client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  await begun.opened;
  await server.drain(100);
  await client.closed();
});

test("refuses what is beyond its limit of requests, health and metrics excepted", limit, async (context) => {
  const hold = gate();
  const { port, metric, finished } = await startTestServer(
    context,
    [
      get("/v2/slow", async () => {
        await hold.opened;
        return { status: 200 };
      }),
      get("/health/instance", async () => ({ status: 200 })),
      get("/metrics", async () => ({ status: 200 })),
      get("/api/v1/things", async () => ({ status: 200 })),
    ],
    { limits: { maxRequestsInFlight: 1 } },
  );
  const base = `http://127.0.0.1:${port}`;
  const first = fetch(`${base}/v2/slow`);
  await until(async () => (await metric("entrepot_http_requests_in_flight")) === 1);
  const refused = await fetch(`${base}/v2/slow`);
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  assert.equal(refused.headers.get("docker-distribution-api-version"), "registry/2.0");
  assert.match(refused.headers.get("x-request-id") ?? "", /^request-/);
  const body = JSON.parse(await refused.text());
  assert.equal(body.errors[0].code, "TOOMANYREQUESTS");
  const problem = await fetch(`${base}/api/v1/things`);
  assert.equal(problem.headers.get("content-type"), "application/problem+json");
  assert.equal((await fetch(`${base}/health/instance`)).status, 200);
  assert.equal((await fetch(`${base}/metrics`)).status, 200);
  hold.open();
  assert.equal((await first).status, 200);
  assert.equal(await metric("entrepot_http_refused_total"), 2);
  assert.equal((await finished(5)).filter((line) => line["code"] === "OVERLOADED").length, 2);
});

test("answers 503 to connections beyond its limit, except for health", limit, async (context) => {
  const { port } = await startTestServer(
    context,
    [ok, get("/health/instance", async () => ({ status: 200, body: { kind: "text", text: "alive" } }))],
    { limits: { maxConnections: 1 } },
  );
  const first = await connectRaw(context, port);
  const second = await connectRaw(context, port);
  second.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  await second.receive(/^HTTP\/1\.1 503 [^]*retry-after: /i);
  await second.closed();
  const third = await connectRaw(context, port);
  third.send("GET /health/instance HTTP/1.1\r\nHost: a\r\n\r\n");
  await third.receive(/alive$/);
  first.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  await first.receive(/^HTTP\/1\.1 200 /);
});

test("counts connections until they are gone", limit, async (context) => {
  const { port, metric } = await startTestServer(context, [ok]);
  const client = await connectRaw(context, port);
  await until(async () => (await metric("entrepot_http_connections")) === 1);
  client.socket.destroy();
  await until(async () => (await metric("entrepot_http_connections")) === 0);
});

test("shows nothing of an unforeseen error, and logs it under the request's id", limit, async (context) => {
  const { port, lines } = await startTestServer(context, [
    get("/v2/broken", async () => {
      throw new Error("secret path /var/lib/x");
    }),
    get("/v2/header", async () => ({ status: 200, headers: { "x-bad": "a\nb" } })),
    get("/v2/later", async () => {
      throw new AppError("UNAVAILABLE", "the database does not answer", { retryAfterSeconds: 7 });
    }),
  ]);
  const base = `http://127.0.0.1:${port}`;
  for (const path of ["/v2/broken", "/v2/header"]) {
    const response = await fetch(base + path);
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.doesNotMatch(text, /secret|stack|ERR_|x-bad/);
    const id = response.headers.get("x-request-id");
    assert.ok(lines.some((line) => line.level === "error" && line.fields["requestId"] === id));
  }
  const later = await fetch(`${base}/v2/later`);
  assert.equal(later.status, 503);
  assert.equal(later.headers.get("retry-after"), "7");
});

test("does not call a human when a client goes away", limit, async (context) => {
  const begun = gate();
  const { port, lines, finished } = await startTestServer(context, [
    get(
      "/v2/{name}/blobs/uploads/",
      (call) =>
        new Promise<Reply>((_resolve, reject) => {
          begun.open();
          call.signal.addEventListener("abort", () => reject(call.signal.reason));
        }),
      { method: "POST" },
    ),
  ]);
  const client = await connectRaw(context, port);
  client.send("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  await begun.opened;
  client.socket.resetAndDestroy();
  const [line] = await finished(1);
  assert.equal(line?.["aborted"], true);
  assert.deepEqual(
    lines.filter((entry) => entry.level === "error"),
    [],
  );
});
