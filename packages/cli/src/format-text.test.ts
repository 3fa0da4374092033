import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatBytes, formatCount, formatHeadedTable, formatTable, shortDigest } from "./format-text.ts";

describe("text for people", () => {
  it("writes sizes in decimal units with two or three digits", () => {
    const sizes = [0, 999, 1_000, 9_949, 9_950, 999_499, 999_500, 1_500_000, 2 ** 40, 2 ** 53];
    assert.deepEqual(sizes.map(formatBytes), [
      "0 B",
      "999 B",
      "1.0 kB",
      "9.9 kB",
      "10 kB",
      "999 kB",
      "1.0 MB",
      "1.5 MB",
      "1.1 TB",
      "9.0 PB",
    ]);
  });

  it("aligns columns and leaves nothing behind the last", () => {
    assert.deepEqual(
      formatTable([
        ["a", "b"],
        ["long", ""],
        ["x", "yy", "z"],
      ]),
      ["a     b", "long", "x     yy  z"],
    );
    assert.deepEqual(formatTable([]), []);
  });

  it("counts", () => {
    assert.deepEqual([formatCount(0, "blob"), formatCount(1, "blob")], ["0 blobs", "1 blob"]);
    assert.equal(shortDigest(`sha256:${"ab".repeat(32)}`), "sha256:abababababab");
  });

  it("names columns above the rows, and says nothing of no rows", () => {
    assert.deepEqual(formatHeadedTable(["name", "n"], [["a", "17"]]), ["NAME  N", "a     17"]);
    assert.deepEqual(formatHeadedTable(["name", "n"], []), []);
  });
});
