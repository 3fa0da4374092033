import assert from "node:assert/strict";
import { test } from "node:test";
import { isNotModified } from "./is-not-modified.ts";

const digest = `sha256:${"a".repeat(64)}`;

test("matches the digest quoted, bare, weak, in a list, and any", () => {
  for (const header of [`"${digest}"`, digest, `W/"${digest}"`, `"other", "${digest}"`, "*"]) {
    assert.ok(isNotModified({ "if-none-match": header }, digest), header);
  }
});

test("does not match another digest, or no header", () => {
  assert.ok(!isNotModified({ "if-none-match": `"sha256:${"b".repeat(64)}"` }, digest));
  assert.ok(!isNotModified({}, digest));
});
