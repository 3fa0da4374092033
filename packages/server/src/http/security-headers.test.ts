import assert from "node:assert/strict";
import { test } from "node:test";
import { get, startTestServer } from "./testing/test-server.ts";

test("keeps browsers from misusing replies of the management API, errors included", async (t) => {
  const page = { "content-security-policy": "default-src 'self'", "cache-control": "max-age=60" };
  const server = await startTestServer(t, [
    get("/api/v1/x", async () => ({ status: 200, body: { kind: "json", value: {} } })),
    get("/page", async () => ({ status: 200, headers: page, body: { kind: "text", text: "" } })),
    get("/v2/", async () => ({ status: 200 })),
  ]);
  const headersOf = async (path: string) => {
    const reply = await fetch(`http://127.0.0.1:${server.port}${path}`);
    await reply.text();
    return reply.headers;
  };
  for (const path of ["/api/v1/x", "/api/v1/nothing"]) {
    const headers = await headersOf(path);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
    assert.equal(headers.get("cross-origin-resource-policy"), "same-origin");
    assert.equal(headers.get("referrer-policy"), "same-origin");
    assert.equal(headers.get("cache-control"), "no-store");
  }
  const own = await headersOf("/page");
  assert.equal(own.get("content-security-policy"), "default-src 'self'", "a page has its own policy");
  assert.equal(own.get("cache-control"), "max-age=60");
  const oci = await headersOf("/v2/");
  assert.equal(oci.get("content-security-policy"), null);
  assert.equal(oci.get("cache-control"), null);
});
