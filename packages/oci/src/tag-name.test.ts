import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseTagName, tryParseTagName } from "./tag-name.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

for (const tag of ["latest", "v1.2.3", "_", "A-b_c.", "0", "a".repeat(128)]) {
  test(`takes ${tag.slice(0, 20)}`, () => {
    assert.equal(parseTagName(tag), tag);
    assert.equal(tryParseTagName(tag), tag);
  });
}

for (const text of ["", ".a", "-a", "a b", "a:b", "a/b", "é", "a\n", "a".repeat(129)]) {
  test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    assert.throws(() => parseTagName(text), { code: "MANIFEST_INVALID", message: /is no tag: 1 to 128/ });
    assert.equal(tryParseTagName(text), undefined);
  });
}

test("accepts exactly what the specification does", () => {
  const isTag = (text: string) =>
    text.length >= 1 &&
    text.length <= 128 &&
    !text.startsWith(".") &&
    !text.startsWith("-") &&
    text.split("").every((character) => /[a-zA-Z0-9._-]/.test(character));
  const near = fc.string({ unit: fc.constantFrom("a", "Z", "0", ".", "_", "-", ":", " "), maxLength: 130 });
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
      assert.equal(parsedOrRefused(() => parseTagName(text)) !== undefined, isTag(text));
      assert.equal(tryParseTagName(text) !== undefined, isTag(text));
    }),
    { numRuns: 2_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseTagName) < hostileLimitMs);
});
