import assert from "node:assert/strict";
import { test } from "node:test";
import { makeDigest } from "./digest.ts";
import { referrersTag } from "./referrers-tag.ts";

test("joins algorithm and hex of a sha256 digest", () => {
  assert.equal(referrersTag(makeDigest("sha256", "ab".repeat(32))), `sha256-${"ab".repeat(32)}`);
});

test("cuts a sha512 digest to 64 hexadecimal digits", () => {
  const hex = `${"1".repeat(64)}${"2".repeat(64)}`;
  assert.equal(referrersTag(makeDigest("sha512", hex)), `sha512-${"1".repeat(64)}`);
});
