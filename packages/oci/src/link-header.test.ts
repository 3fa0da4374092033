import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatNextLink, parseNextLink } from "./link-header.ts";
import { hostileLimitMs, hostileMs } from "./testing/hostile-texts.ts";

for (const [header, expected] of [
  [null, undefined],
  ["", undefined],
  ['</v2/a/tags/list?n=2&last=b>; rel="next"', "/v2/a/tags/list?n=2&last=b"],
  ["<https://r.example/x>;rel=next", "https://r.example/x"],
  ["</x> ; REL = NEXT", "/x"],
  ['</first>; rel="first", </x>; rel="last next"', "/x"],
  ['</x?a=1,2;3>; title="a, <b>; rel=prev"; rel="next"', "/x?a=1,2;3"],
  [String.raw`</x>; title="\"; rel=prev; \\"; rel=next`, "/x"],
  ['</x>; rel="prev"; rel="next"', undefined],
  ['</x>; rel="prev"', undefined],
  ['</x>; title="rel=next"', undefined],
  ["</x>; rel=nextpage", undefined],
  [String.raw`</x\>; rel=next`, "/x\\"],
  ["</x>", undefined],
  ["</x>; next", undefined],
  ["/x; rel=next", undefined],
  ["</x; rel=next", undefined],
  ['</x>; rel="', undefined],
  [",,</x>; rel=next,", "/x"],
] as const) {
  test(`reads ${JSON.stringify(expected)} from ${JSON.stringify(header)}`, () => {
    assert.equal(parseNextLink(header), expected);
  });
}

test("reads back what it writes", () => {
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true }), fc.webPath(), (url, path) => {
      assert.equal(parseNextLink(formatNextLink(url)), url);
      assert.equal(parseNextLink(`<x>; rel=first, ${formatNextLink(path)}`), path);
    }),
  );
});

test("throws for no text at all", () => {
  const near = fc.string({
    unit: fc.constantFrom("<", ">", ";", ",", '"', "\\", "=", "rel", "next", " ", "a"),
  });
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
      const url = parseNextLink(text);
      if (url !== undefined) assert.ok(text.includes(`<${url}>`));
    }),
    { numRuns: 3_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseNextLink) < hostileLimitMs);
});
