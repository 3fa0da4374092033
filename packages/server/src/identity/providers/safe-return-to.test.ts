import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { safeReturnTo } from "./safe-return-to.ts";

const origin = "https://registry.example";

test("keeps a path of ours with its query", () => {
  assert.equal(safeReturnTo("/r/acme/app?tab=tags#top", origin), "/r/acme/app?tab=tags#top");
});

test("leads to / instead of anywhere else", () => {
  const elsewhere = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil",
    "javascript:alert(1)",
    "/.//evil.example",
    "/a/..//evil.example",
    "/%2e//evil.example",
  ];
  const broken = ["", "r/acme", "/a\nb", "/\t/evil.example", `/${"a".repeat(1_000)}`, null, undefined];
  for (const each of [...elsewhere, ...broken]) assert.equal(safeReturnTo(each, origin), "/", String(each));
});

test("never leaves the registry, whatever it is asked", () => {
  const hostile = fc.string({
    unit: fc.constantFrom("/", "\\", ".", ":", "@", "\t", "e", "%", "2", "f", "?", "#"),
  });
  fc.assert(
    fc.property(fc.oneof(fc.string(), hostile), (text) => {
      assert.equal(new URL(safeReturnTo(`/${text}`, origin), origin).origin, origin);
    }),
  );
});
