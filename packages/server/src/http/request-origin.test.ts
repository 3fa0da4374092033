import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAddress, requestOrigin } from "./request-origin.ts";
import { splitTarget } from "./split-target.ts";

const plain = { publicUrl: undefined, trustProxy: false };
const proxied = { publicUrl: undefined, trustProxy: true };
const socket = { localAddress: "::ffff:192.0.2.1", localPort: 5000 };
const withHost = (host: string | undefined, headers: Record<string, string> = {}) => ({
  headers,
  host,
  isTls: false,
  socket,
});

test("is what the client called us", () => {
  for (const host of [
    "a",
    "a.example:5000",
    "my_registry:80",
    "example.org.",
    "192.0.2.7",
    "[2001:db8::1]:443",
  ]) {
    assert.equal(requestOrigin(withHost(host), plain), `http://${host}`);
    assert.equal(requestOrigin({ ...withHost(host), isTls: true }, plain), `https://${host}`);
  }
});

test("takes no Host that is none: it would end up in a challenge", () => {
  const bad = [
    "",
    " ",
    "a b",
    "a/b",
    "a@b",
    "a:b",
    "a:123456",
    'a"b',
    "a,b",
    "a\r\nx: y",
    "a?b",
    "a#b",
    "-a",
    "[::1",
    "[zz]",
    "é",
    "a".repeat(300),
    "user:secret@host",
    "a:80:80",
    "a%20b",
  ];
  for (const host of bad) {
    assert.throws(
      () => requestOrigin(withHost(host), plain),
      { code: "REQUEST_INVALID" },
      JSON.stringify(host),
    );
    const forwarded = withHost("good", { "x-forwarded-host": host });
    if (host.trim() !== "" && !host.startsWith("a,")) {
      assert.throws(() => requestOrigin(forwarded, proxied), { code: "REQUEST_INVALID" });
    }
  }
});

test("is the configured address when there is one, whatever the request says", () => {
  const options = { publicUrl: "https://registry.example", trustProxy: true };
  const request = withHost("evil", { "x-forwarded-host": "evil", "x-forwarded-proto": "http" });
  assert.equal(requestOrigin(request, options), "https://registry.example");
});

test("believes a proxy only where that is configured", () => {
  const request = withHost("inside:5000", {
    "x-forwarded-proto": "https, http",
    "x-forwarded-host": "outside.example, middle",
  });
  assert.equal(requestOrigin(request, plain), "http://inside:5000");
  assert.equal(requestOrigin(request, proxied), "https://outside.example");
});

test("is the address connected to when an old client names none", () => {
  assert.equal(requestOrigin(withHost(undefined), plain), "http://192.0.2.1:5000");
  const six = { ...withHost(undefined), socket: { localAddress: "2001:db8::1", localPort: 80 } };
  assert.equal(requestOrigin(six, plain), "http://[2001:db8::1]:80");
});

test("takes the client's address from the proxy's own entry, not from what the client claims", () => {
  const request = {
    headers: { "x-forwarded-for": "203.0.113.9, 198.51.100.4" },
    remoteAddress: "::ffff:10.0.0.1",
  };
  assert.equal(clientAddress(request, false), "10.0.0.1");
  assert.equal(clientAddress(request, true), "198.51.100.4");
  const address = (forwarded: string) =>
    clientAddress({ headers: { "x-forwarded-for": forwarded }, remoteAddress: "10.0.0.1" }, true);
  assert.equal(address("198.51.100.4:4711"), "198.51.100.4");
  assert.equal(address("[2001:db8::1]:4711"), "2001:db8::1");
  assert.equal(address("2001:db8::1"), "2001:db8::1");
  assert.equal(address("somebody\nelse"), "unknown");
  assert.equal(clientAddress({ headers: {}, remoteAddress: undefined }, true), "unknown");
});

test("splits targets of both forms", () => {
  assert.deepEqual(splitTarget("/v2/?n=1?2", "h"), { pathname: "/v2/", query: "n=1?2", host: "h" });
  assert.deepEqual(splitTarget("http://other:80/v2/?a=b", "h"), {
    pathname: "/v2/",
    query: "a=b",
    host: "other:80",
  });
  assert.deepEqual(splitTarget("HTTPS://other", "h"), { pathname: "/", query: "", host: "other" });
  assert.deepEqual(splitTarget("http://other?a", "h"), { pathname: "/", query: "a", host: "other" });
  assert.deepEqual(splitTarget("*", undefined), { pathname: "*", query: "", host: undefined });
});
