import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { createInstance } from "./create-instance.ts";

/** What this test reads of an export (opentelemetry-proto, JSON encoding). */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** A collector: takes OTLP over HTTP and decodes what arrives. */
async function startCollector(t: TestContext) {
  const exports: Export[] = [];
  const headers: unknown[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      assert.equal(request.url, "/v1/traces");
      headers.push(request.headers["x-key"]);
      exports.push(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Export); // as: the exporter's format, read below
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo; // as: it listens on a port
  const spans = () =>
    exports.flatMap((each) =>
      each.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans)),
    );
  return { url: `http://127.0.0.1:${port}`, spans, exports, headers };
}

eachDatabase((open) => {
  test("tells a collector of requests, statements and storage, as part of the caller's trace", async (t) => {
    const collector = await startCollector(t);
    const folder = await mkdtemp(join(tmpdir(), "entrepot-tracing-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const config = await loadConfig({
      ENTREPOT_HOST: "127.0.0.1",
      ENTREPOT_PORT: "0",
      ENTREPOT_DATA_DIR: folder,
      ENTREPOT_DATABASE_URL: await open.url(t),
      ENTREPOT_ADMIN_PASSWORD: "correct-horse-battery",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-key=secret%20word",
      OTEL_SERVICE_NAME: "registry-of-the-test",
    });
    const instance = await createInstance(config, silentLog);
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const caller = "b7ad6b7169203331";
    const authorization = `Basic ${Buffer.from("admin:correct-horse-battery").toString("base64")}`;
    const send = (path: string, traceparent: string) =>
      fetch(`http://127.0.0.1:${instance.port}${path}`, {
        method: "POST",
        headers: {
          authorization,
          traceparent,
          connection: "close",
          "content-type": "application/octet-stream",
        },
        body: "{}",
      });
    const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const path = `/v2/admin/app/blobs/uploads/?digest=${digest}`;
    assert.equal((await send(path, `00-${traceId}-${caller}-01`)).status, 201);
    assert.equal((await send(path, "00-nonsense")).status, 201);
    await instance.close();

    const own = collector.spans().filter((span) => span.traceId === traceId);
    const request = own.find((span) => span.name.startsWith("POST /v2/"));
    assert.equal(request?.parentSpanId, caller, "goes on with the caller's trace");
    const text = JSON.stringify(request?.attributes);
    assert.match(text, /"http.route"/);
    assert.match(text, /"http.response.status_code","value":\{"intValue":201\}/);
    const inside = own.filter((span) => span.parentSpanId === request?.spanId).map((span) => span.name);
    assert.ok(inside.includes("sql insert"), inside.join());
    assert.ok(inside.includes("storage commitUpload"), inside.join());
    const others = collector
      .spans()
      .filter((span) => span.name.startsWith("POST /v2/") && span.traceId !== traceId);
    assert.equal(others.length, 1, "a caller's nonsense begins a new trace");
    assert.equal(others[0]?.parentSpanId, undefined);
    const all = JSON.stringify(collector.exports);
    assert.match(all, /registry-of-the-test/);
    assert.doesNotMatch(all, /correct-horse|Basic /, "no secrets");
    assert.deepEqual([...new Set(collector.headers)], ["secret word"]);
  });
});

test("nothing of it is loaded when no collector is configured", async () => {
  const script = `
    const { registerHooks } = await import("node:module");
    let loaded = 0;
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        if (/opentelemetry\\/(sdk|exporter|otlp|resources)/.test(found.url)) loaded += 1;
        return found;
      },
    });
    const { loadConfig } = await import("./config/load-config.ts");
    const { createInstance } = await import("./app/create-instance.ts");
    const { silentLog } = await import("./lib/log.ts");
    const config = await loadConfig({ ENTREPOT_HOST: "127.0.0.1", ENTREPOT_PORT: "0", ENTREPOT_STORAGE_URL: "memory:", ENTREPOT_DATABASE_URL: "sqlite::memory:", ENTREPOT_SECRET_KEY: "${"ab".repeat(32)}", ENTREPOT_ADMIN_PASSWORD: "correct-horse-battery" });
    const instance = await createInstance(config, silentLog);
    await instance.close();
    console.log(loaded);
    process.exit(0);`;
  const cwd = resolve(import.meta.dirname, "..");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=source", "--input-type=module", "--eval", script],
    { cwd },
  );
  assert.equal(stdout.trim(), "0");
});
