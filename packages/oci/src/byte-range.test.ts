import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseByteRanges, parseContentRange } from "./byte-range.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

const whole = { kind: "whole" } as const;
const unsatisfiable = { kind: "unsatisfiable" } as const;
const ranges = (...pairs: readonly (readonly [number, number])[]) => ({
  kind: "ranges",
  ranges: pairs.map(([start, end]) => ({ start, end })),
});
const nines = "9".repeat(400);

for (const [header, sizeBytes, expected] of [
  [undefined, 2048, whole],
  ["bytes=0-0", 2048, ranges([0, 0])],
  ["bytes=0-499", 2048, ranges([0, 499])],
  ["bytes=500-", 2048, ranges([500, 2047])],
  ["bytes=-500", 2048, ranges([1548, 2047])],
  ["bytes=2000-5000", 2048, ranges([2000, 2047])],
  ["bytes=2047-", 2048, ranges([2047, 2047])],
  ["bytes=-5000", 2048, ranges([0, 2047])],
  ["Bytes = 1-2 , 4-5,", 2048, ranges([1, 2], [4, 5])],
  ["bytes=9-10,0-1,-1", 2048, ranges([9, 10], [0, 1], [2047, 2047])],
  ["bytes=0-1,5000-", 2048, ranges([0, 1])],
  // Numbers that no double holds exactly.
  [`bytes=0-${nines}`, 2048, ranges([0, 2047])],
  [`bytes=-${nines}`, 2048, ranges([0, 2047])],
  [`bytes=${nines}-`, 2048, unsatisfiable],
  [`bytes=00000000000000000000005-6`, 2048, ranges([5, 6])],
  // The conformance suite: reversed or wholly outside is 416.
  ["bytes=500-0", 2048, unsatisfiable],
  ["bytes=5000-10000", 2048, unsatisfiable],
  ["bytes=2048-", 2048, unsatisfiable],
  ["bytes=-0", 2048, unsatisfiable],
  ["bytes=0-1,500-0", 2048, unsatisfiable],
  // Text that is no range is ignored.
  ["", 2048, whole],
  ["bytes", 2048, whole],
  ["bytes=", 2048, whole],
  ["bytes=,", 2048, whole],
  ["bytes=-", 2048, whole],
  ["bytes=x-1", 2048, whole],
  ["bytes=1-x", 2048, whole],
  ["bytes=1", 2048, whole],
  ["bytes=--1", 2048, whole],
  ["bytes=1-2-3", 2048, whole],
  ["bytes=+1-2", 2048, whole],
  ["bytes=0-1,x", 2048, whole],
  ["bytes=500-0,x", 2048, whole],
  ["items=0-1", 2048, whole],
  // RFC 9110, 14.1.2, of nothing.
  ["bytes=0-", 0, unsatisfiable],
  ["bytes=0-0", 0, unsatisfiable],
  ["bytes=-0", 0, unsatisfiable],
  ["bytes=-5", 0, whole],
  // Overlaps: twice the whole is sent, more is not.
  ["bytes=0-,0-", 10, ranges([0, 9], [0, 9])],
  ["bytes=0-,0-,0-0", 10, whole],
  [`bytes=${"0-0,".repeat(1_024)}`, 2048, ranges(...Array.from({ length: 1_024 }, () => [0, 0] as const))],
  [`bytes=${"0-0,".repeat(1_025)}`, 2048, whole],
] as const) {
  test(`reads ${header?.slice(0, 40)} of ${sizeBytes} bytes as ${expected.kind}`, () => {
    assert.deepEqual(parseByteRanges(header, sizeBytes), expected);
  });
}

test("gives ranges that lie within the blob, whatever is asked", () => {
  const spec = fc.string({ unit: fc.constantFrom("0", "1", "9", "-", ",", " "), maxLength: 20 });
  const header = fc.oneof(
    spec.map((text) => `bytes=${text}`),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(header, fc.nat({ max: 200 }), (text, sizeBytes) => {
      const asked = parseByteRanges(text, sizeBytes);
      if (asked.kind !== "ranges") return;
      assert.ok(asked.ranges.length > 0);
      for (const { start, end } of asked.ranges) assert.ok(0 <= start && start <= end && end < sizeBytes);
      const total = asked.ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
      assert.ok(asked.ranges.length === 1 || total <= 2 * sizeBytes);
    }),
    { numRuns: 5_000 },
  );
});

test("reads any range inside the blob as it was written", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 1_000 }), (start, length, behind) => {
      const end = start + length;
      assert.deepEqual(parseByteRanges(`bytes=${start}-${end}`, end + behind), ranges([start, end]));
    }),
  );
});

for (const [header, start, end] of [
  ["0-0", 0, 0],
  ["0-1023", 0, 1023],
  [" 5-9 ", 5, 9],
  ["5-4", 5, 4],
  ["bytes 0-4/5", 0, 4],
  ["bytes 0-4/*", 0, 4],
  ["bytes=0-4", 0, 4],
  [`0-${Number.MAX_SAFE_INTEGER}`, 0, Number.MAX_SAFE_INTEGER],
] as const) {
  test(`reads the Content-Range ${header}`, () => {
    assert.deepEqual(parseContentRange(header), { start, end });
  });
}

const badContentRanges = [
  "",
  "-",
  "0-",
  "-5",
  "5-3",
  "a-b",
  "0-1,2-3",
  "0--1",
  "items 0-4/5",
  "bytes 0-4/x",
  "0-1\n2",
];
for (const header of [...badContentRanges, "0-9007199254740992", `${nines}-${nines}`]) {
  test(`refuses the Content-Range ${JSON.stringify(header.slice(0, 30))}`, () => {
    assert.throws(() => parseContentRange(header), { code: "BLOB_UPLOAD_INVALID", message: /first-last/ });
  });
}

test("throws nothing but OciError for a Content-Range", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      parsedOrRefused(() => parseContentRange(text));
    }),
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs((text) => parseByteRanges(text, 2048)) < hostileLimitMs);
  assert.ok(hostileMs((text) => parseByteRanges(`bytes=${text}`, 2048)) < hostileLimitMs);
  assert.ok(hostileMs(parseContentRange) < hostileLimitMs);
});
