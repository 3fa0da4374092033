import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatImageReference, parseImageReference } from "./image-reference.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

const digest = `sha256:${"0".repeat(64)}`;

for (const [text, expected] of [
  ["localhost:5000/alpine", { host: "localhost:5000", repository: "alpine" }],
  ["localhost/alpine:3", { host: "localhost", repository: "alpine", tag: "3" }],
  ["registry.example/acme/app:v1", { host: "registry.example", repository: "acme/app", tag: "v1" }],
  ["r.example:443/a/b:t@" + digest, { host: "r.example:443", repository: "a/b", tag: "t", digest }],
  [`r.example/a@${digest}`, { host: "r.example", repository: "a", digest }],
  ["[::1]:5000/x", { host: "[::1]:5000", repository: "x" }],
  ["[2001:db8::1]/x:1", { host: "[2001:db8::1]", repository: "x", tag: "1" }],
  ["127.0.0.1:5000/x", { host: "127.0.0.1:5000", repository: "x" }],
  ["R.Example/x", { host: "R.Example", repository: "x" }],
] as const) {
  test(`reads and writes ${text.slice(0, 40)}`, () => {
    const parsed = parseImageReference(text);
    assert.deepEqual(parsed, expected);
    assert.equal(formatImageReference(parsed), text);
  });
}

test("puts the default host before names that have none", () => {
  const options = { defaultHost: "registry.example" };
  assert.deepEqual(parseImageReference("alpine", options), {
    host: "registry.example",
    repository: "alpine",
  });
  assert.deepEqual(parseImageReference("acme/app:v1", options), {
    host: "registry.example",
    repository: "acme/app",
    tag: "v1",
  });
  assert.deepEqual(parseImageReference(`app@${digest}`, options).digest, digest);
  assert.equal(parseImageReference("other.example/app", options).host, "other.example");
});

for (const [text, code, problem] of [
  ["alpine", "NAME_INVALID", /names no registry/],
  ["acme/app", "NAME_INVALID", /names no registry/],
  ["", "NAME_INVALID", /names no registry/],
  ["r.example/", "NAME_INVALID", /empty/],
  ["r.example/App", "NAME_INVALID", /capital letters/],
  ["r..example/app", "NAME_INVALID", /no host name/],
  ["-r.example/app", "NAME_INVALID", /no host name/],
  ["r.example:/app", "NAME_INVALID", /no host name/],
  ["r.example:65536/app", "NAME_INVALID", /no host name/],
  ["[::1/app", "NAME_INVALID", /no host name/],
  ["[:::]/app", "NAME_INVALID", /no host name/],
  ["user@r.example/app", "NAME_INVALID", /no host name/],
  [`${"a.".repeat(128)}b/app`, "NAME_INVALID", /no host name/],
  [`${"a".repeat(64)}.b/app`, "NAME_INVALID", /no host name/],
  ["r.example/app:", "MANIFEST_INVALID", /no tag/],
  ["r.example/app:-x", "MANIFEST_INVALID", /no tag/],
  ["r.example/app@sha256:x", "DIGEST_INVALID", /64 hexadecimal digits/],
  [`r.example/app@${digest}@${digest}`, "DIGEST_INVALID", /characters/],
] as const) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))} with ${problem.source}`, () => {
    assert.throws(() => parseImageReference(text), { code, message: problem });
  });
}

test("refuses a default host that is none", () => {
  assert.throws(() => parseImageReference("app", { defaultHost: "https://r.example" }), {
    code: "NAME_INVALID",
  });
});

test("reads back what it writes, and throws nothing but OciError", () => {
  const piece = fc.constantFrom(
    "a",
    "r.example",
    "localhost",
    ":5000",
    "/",
    ":",
    "@",
    "v1",
    "[::1]",
    digest,
    "A",
    "-",
  );
  const near = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: near }, fc.string({ unit: "binary" })), (text) => {
      const parsed = parsedOrRefused(() => parseImageReference(text));
      if (parsed === undefined) return;
      assert.equal(formatImageReference(parsed), text);
      assert.deepEqual(parseImageReference(formatImageReference(parsed)), parsed);
    }),
    { numRuns: 5_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseImageReference) < hostileLimitMs);
  assert.ok(hostileMs((text) => parseImageReference("app", { defaultHost: text })) < hostileLimitMs);
});
