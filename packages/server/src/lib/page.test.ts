import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePage } from "./page.ts";

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const parse = (query: string) => parsePage(new URLSearchParams(query), limits);

test("takes the defaults without parameters", () => {
  assert.deepEqual(parse(""), { last: undefined, limit: 100 });
});

test("takes n and last, and clamps n", () => {
  assert.deepEqual(parse("n=5&last=v1.2"), { last: "v1.2", limit: 5 });
  assert.deepEqual(parse("n=0"), { last: undefined, limit: 0 });
  assert.deepEqual(parse("n=99999999&last="), { last: undefined, limit: 1_000 });
});

test("refuses what is no whole number", () => {
  for (const n of ["-1", "1.5", "abc", "", "1e3", "0x10", " 1", "9".repeat(16)]) {
    assert.throws(() => parse(`n=${encodeURIComponent(n)}`), { code: "REQUEST_INVALID" }, n);
  }
});

test("refuses a cursor that nobody gave out", () => {
  assert.throws(() => parse(`last=${"x".repeat(1_025)}`), { code: "REQUEST_INVALID" });
  // PostgreSQL has no text with it.
  assert.throws(() => parse("last=a%00b"), { code: "REQUEST_INVALID" });
});
