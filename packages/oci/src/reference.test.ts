import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseReference } from "./reference.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

const digest = `sha256:${"0".repeat(64)}`;

test("takes everything with a colon for a digest, all else for a tag", () => {
  assert.deepEqual(parseReference(digest), { kind: "digest", digest });
  assert.deepEqual(parseReference("latest"), { kind: "tag", tag: "latest" });
  assert.deepEqual(parseReference("sha256"), { kind: "tag", tag: "sha256" });
});

test("refuses with the code of what it was taken for", () => {
  assert.throws(() => parseReference("sha256:x"), { code: "DIGEST_INVALID" });
  assert.throws(() => parseReference(":"), { code: "DIGEST_INVALID" });
  assert.throws(() => parseReference(""), { code: "MANIFEST_INVALID" });
  assert.throws(() => parseReference("-x"), { code: "MANIFEST_INVALID" });
});

test("throws nothing but OciError", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const parsed = parsedOrRefused(() => parseReference(text));
      if (parsed !== undefined) assert.equal(parsed.kind === "digest", text.includes(":"));
    }),
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseReference) < hostileLimitMs);
});
