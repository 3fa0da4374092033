import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRepositoryName, repositoryNameMaxLength, tryParseRepositoryName } from "./repository-name.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

// distribution-spec, "Pulling manifests"; backtracks, so only for short texts.
const specification = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;

for (const name of ["a", "0", "acme/app", "a.b_c__d-e---f", "a/blobs/uploads/manifests", "x/y/z/0"]) {
  test(`takes ${name}`, () => {
    assert.equal(parseRepositoryName(name), name);
    assert.equal(tryParseRepositoryName(name), name);
  });
}

for (const [text, problem] of [
  ["", /empty/],
  ["/a", /empty component/],
  ["a/", /empty component/],
  ["a//b", /empty component/],
  ["Acme/app", /capital letters/],
  ["a b", /only a-z/],
  ["a:b", /only a-z/],
  ["é", /only a-z/],
  ["a\n", /only a-z/],
  ["a/../b", /begin with a letter or digit/],
  ["_a", /begin with a letter or digit/],
  ["a-", /end with a letter or digit/],
  ["a./b", /end with a letter or digit/],
  ["a..b", /one dot/],
  ["a___b", /one or two underscores/],
  ["a._b", /separated/],
  ["a-_b", /separated/],
] as const) {
  test(`refuses ${JSON.stringify(text)} with ${problem.source}`, () => {
    assert.throws(() => parseRepositoryName(text), { code: "NAME_INVALID", message: problem });
    assert.equal(tryParseRepositoryName(text), undefined);
  });
}

test("takes 255 characters and no more", () => {
  const longest = "a".repeat(repositoryNameMaxLength);
  assert.equal(parseRepositoryName(longest), longest);
  assert.throws(() => parseRepositoryName(`${longest}a`), {
    code: "NAME_INVALID",
    message: /longer than 255/,
  });
});

test("accepts exactly what the specification does", () => {
  const near = fc.string({
    unit: fc.constantFrom("a", "z", "0", ".", "_", "-", "/", "A", " "),
    maxLength: 14,
  });
  fc.assert(
    fc.property(
      fc.oneof({ weight: 5, arbitrary: near }, fc.string({ unit: "binary", maxLength: 14 })),
      (text) => {
        const parsed = parsedOrRefused(() => parseRepositoryName(text));
        assert.equal(parsed !== undefined, specification.test(text));
        assert.equal(parsed, tryParseRepositoryName(text));
      },
    ),
    { numRuns: 5_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseRepositoryName) < hostileLimitMs);
});
