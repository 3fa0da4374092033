import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDescriptor } from "./descriptor.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

const digest = `sha256:${"0".repeat(64)}`;
const plain = { mediaType: "application/x", digest, size: 3 };

test("keeps every field that has a meaning here and drops the others", () => {
  const full = {
    ...plain,
    annotations: { a: "b" },
    artifactType: "application/y",
    platform: { architecture: "arm", os: "linux", variant: "v7" },
    urls: ["https://r.example/x"],
    data: "YWJj",
  };
  assert.deepEqual(parseDescriptor({ ...full, unknown: 1 }, "layer 1"), full);
  assert.deepEqual(parseDescriptor(plain, "layer 1"), plain);
});

test("takes optional fields that are null for absent, and an empty artifactType as it is", () => {
  const nulls = { annotations: null, artifactType: null, platform: null, urls: null, data: null };
  assert.deepEqual(parseDescriptor({ ...plain, ...nulls }, "config"), plain);
  assert.deepEqual(parseDescriptor({ ...plain, artifactType: "" }, "config"), { ...plain, artifactType: "" });
});

test("fills in what a platform leaves out", () => {
  const platform = parseDescriptor({ ...plain, platform: { os: 1, variant: 2 } }, "entry 1").platform;
  assert.deepEqual(platform, { architecture: "", os: "" });
});

test("compares embedded data of every padding with the size", () => {
  for (const bytes of ["", "a", "ab", "abc", "abcd"]) {
    const data = Buffer.from(bytes).toString("base64");
    assert.equal(parseDescriptor({ ...plain, size: bytes.length, data }, "config").data, data);
    assert.throws(() => parseDescriptor({ ...plain, size: bytes.length + 1, data }, "config"), {
      code: "MANIFEST_INVALID",
      message: /but its size says/,
    });
  }
});

test("takes sizes up to what a double holds exactly", () => {
  for (const size of [0, Number.MAX_SAFE_INTEGER]) {
    assert.equal(parseDescriptor({ ...plain, size }, "layer 1").size, size);
  }
});

for (const [value, problem] of [
  [null, /must be an object/],
  [[], /must be an object/],
  ["x", /must be an object/],
  [{ digest, size: 3 }, /needs a mediaType/],
  [{ ...plain, mediaType: "" }, /needs a mediaType/],
  [{ ...plain, mediaType: 1 }, /needs a mediaType/],
  [{ ...plain, mediaType: "a\u0000" }, /is no media type/],
  [{ ...plain, mediaType: "a".repeat(256) }, /is no media type/],
  [{ ...plain, digest: undefined }, /needs a digest/],
  [{ ...plain, digest: 1 }, /needs a digest/],
  [{ ...plain, size: undefined }, /size must be a whole number/],
  [{ ...plain, size: "3" }, /size must be a whole number/],
  [{ ...plain, size: -1 }, /size must be a whole number/],
  [{ ...plain, size: 1.5 }, /size must be a whole number/],
  [{ ...plain, size: 2 ** 53 }, /size must be a whole number/],
  [{ ...plain, annotations: { a: 1 } }, /annotations of the layer 7/],
  [{ ...plain, artifactType: 1 }, /artifactType must be a string/],
  [{ ...plain, artifactType: "a\nb" }, /artifactType .* is no media type/],
  [{ ...plain, platform: "linux" }, /platform must be an object/],
  [{ ...plain, urls: "x" }, /urls must be a list/],
  [{ ...plain, urls: [1] }, /urls must be a list/],
  [{ ...plain, data: 1 }, /data must be a string/],
  [{ ...plain, data: "YWJ" }, /not base64/],
  [{ ...plain, data: "YWJj\n" }, /not base64/],
  [{ ...plain, data: "YW_-" }, /not base64/],
  [{ ...plain, data: "Y===" }, /not base64/],
] as const) {
  test(`refuses ${JSON.stringify(value)?.slice(0, 120)} with ${problem.source}`, () => {
    assert.throws(() => parseDescriptor(value, "layer 7"), { code: "MANIFEST_INVALID", message: problem });
    assert.throws(() => parseDescriptor(value, "layer 7"), /layer 7/);
  });
}

test("says which descriptor has a bad digest, and what is wrong with it", () => {
  assert.throws(() => parseDescriptor({ ...plain, digest: "sha256:x" }, "layer 7"), {
    code: "DIGEST_INVALID",
    message: /of the layer 7 is not valid: sha256 has 64/,
  });
});

test("throws nothing but OciError, whatever the value", () => {
  const field = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(plain)));
  const fields = ["mediaType", "digest", "size", "annotations", "artifactType", "platform", "urls", "data"];
  const near = fc.dictionary(fc.constantFrom(...fields), field).map((some) => ({ ...plain, ...some }));
  fc.assert(
    fc.property(fc.oneof(near, fc.anything()), (value) => {
      parsedOrRefused(() => parseDescriptor(value, "layer 1"));
    }),
    { numRuns: 2_000 },
  );
});

test("stays fast with hostile text in any field", () => {
  for (const field of ["mediaType", "digest", "artifactType", "data"]) {
    assert.ok(hostileMs((text) => parseDescriptor({ ...plain, [field]: text }, "layer 1")) < hostileLimitMs);
  }
});
