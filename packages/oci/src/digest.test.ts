import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import {
  digestAlgorithm,
  digestAlgorithms,
  digestHex,
  makeDigest,
  parseDigest,
  parseDigestAlgorithm,
  tryParseDigest,
} from "./digest.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

const specification = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

test("takes sha256 and sha512 as they are computed", () => {
  for (const algorithm of digestAlgorithms) {
    const hex = createHash(algorithm).update("entrepot").digest("hex");
    const digest = parseDigest(`${algorithm}:${hex}`);
    assert.equal(digest, `${algorithm}:${hex}`);
    assert.equal(digestAlgorithm(digest), algorithm);
    assert.equal(digestHex(digest), hex);
    assert.equal(makeDigest(algorithm, hex), digest);
    assert.equal(tryParseDigest(digest), digest);
  }
});

for (const [text, problem] of [
  ["", /algorithm:hex/],
  ["sha256", /algorithm:hex/],
  [`md5:${"a".repeat(32)}`, /algorithm is not supported/],
  [`SHA256:${"a".repeat(64)}`, /algorithm is not supported/],
  [`:${"a".repeat(64)}`, /algorithm is not supported/],
  ["sha256:baddigeststring", /sha256 has 64 hexadecimal digits, this has 15 characters/],
  [`sha256:${"a".repeat(128)}`, /this has 128 characters/],
  [`sha512:${"a".repeat(64)}`, /sha512 has 128/],
  [`sha256:${"A".repeat(64)}`, /lower case/],
  [`sha256:${"g".repeat(64)}`, /0-9 and a-f/],
  [`sha256:${"a".repeat(63)}\n`, /0-9 and a-f/],
] as const) {
  test(`refuses ${JSON.stringify(text.slice(0, 30))} with ${problem.source}`, () => {
    assert.throws(() => parseDigest(text), { code: "DIGEST_INVALID", message: problem });
    assert.equal(tryParseDigest(text), undefined);
  });
}

test("refuses to make a digest of hex that does not fit", () => {
  assert.throws(() => makeDigest("sha512", "a".repeat(64)), { code: "DIGEST_INVALID" });
});

test("takes no other algorithm", () => {
  assert.equal(parseDigestAlgorithm("sha512"), "sha512");
  for (const text of ["", "SHA256", "sha1", "__proto__"]) {
    assert.throws(() => parseDigestAlgorithm(text), { code: "DIGEST_INVALID", message: /not supported/ });
  }
});

test("accepts exactly what the specification does", () => {
  const near = fc
    .tuple(
      fc.constantFrom("sha256", "sha512", "sha384", ""),
      fc.constantFrom(":", "", "::"),
      fc.constantFrom(63, 64, 65, 127, 128),
      fc.constantFrom("a", "0", "f", "F", "g", "é"),
    )
    .map(([algorithm, colon, length, last]) => `${algorithm}${colon}${"0".repeat(length - 1)}${last}`);
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
      const parsed = parsedOrRefused(() => parseDigest(text));
      assert.equal(parsed !== undefined, specification.test(text));
      assert.equal(parsed, tryParseDigest(text));
    }),
    { numRuns: 1_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseDigest) < hostileLimitMs);
  assert.ok(hostileMs(parseDigestAlgorithm) < hostileLimitMs);
});
