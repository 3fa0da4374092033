import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatBasicChallenge, formatBearerChallenge, parseChallenges } from "./challenge.ts";
import { hostileLimitMs, hostileMs } from "./testing/hostile-texts.ts";

const realm = "https://r.example/token";

for (const [header, expected] of [
  ["", []],
  ["Basic", [{ scheme: "basic", parameters: {} }]],
  [
    `Bearer realm="${realm}",service="r",scope="repository:a/b:pull,push"`,
    [{ scheme: "bearer", parameters: { realm, service: "r", scope: "repository:a/b:pull,push" } }],
  ],
  [`BEARER Realm = "${realm}" , x=y`, [{ scheme: "bearer", parameters: { realm, x: "y" } }]],
  // As some registries send it: nothing quoted.
  [`Bearer realm=${realm},service=r`, [{ scheme: "bearer", parameters: { realm, service: "r" } }]],
  [
    'Basic realm="a, Bearer b", Bearer realm="c"',
    [
      { scheme: "basic", parameters: { realm: "a, Bearer b" } },
      { scheme: "bearer", parameters: { realm: "c" } },
    ],
  ],
  ['Digest realm="a", nonce="b", Basic realm="c"', [{ scheme: "basic", parameters: { realm: "c" } }]],
  ["Negotiate YWJj==, Basic realm=c", [{ scheme: "basic", parameters: { realm: "c" } }]],
  [String.raw`Basic realm="a\"b\\c"`, [{ scheme: "basic", parameters: { realm: String.raw`a"b\c` } }]],
  ['Basic realm="never closed', [{ scheme: "basic", parameters: { realm: "never closed" } }]],
  ['Basic realm="', [{ scheme: "basic", parameters: { realm: "" } }]],
  ["Basic realm=", [{ scheme: "basic", parameters: { realm: "" } }]],
  ["Basic realm=a,realm=b", [{ scheme: "basic", parameters: { realm: "a" } }]],
  ["Basic constructor=a", [{ scheme: "basic", parameters: { constructor: "a" } }]],
  ['realm="belongs to nothing"', []],
  ["(Basic)", [{ scheme: "basic", parameters: {} }]],
] as const) {
  test(`parses ${JSON.stringify(header)}`, () => {
    assert.deepEqual(parseChallenges(header), expected);
  });
}

test("keeps __proto__ as a name like any other", () => {
  const [challenge] = parseChallenges("Basic __proto__=a");
  assert.deepEqual(Object.entries(challenge?.parameters ?? {}), [["__proto__", "a"]]);
  assert.equal(Object.getPrototypeOf(challenge?.parameters), Object.prototype);
});

test("quotes every value of a Bearer challenge and leaves out what is not given", () => {
  assert.equal(formatBearerChallenge({ realm, service: "r" }), `Bearer realm="${realm}",service="r"`);
  assert.equal(
    formatBearerChallenge({ realm, service: "r", scope: "" }),
    `Bearer realm="${realm}",service="r"`,
  );
  assert.equal(
    formatBearerChallenge({ realm, service: "r", scope: "repository:a:pull", error: "invalid_token" }),
    `Bearer realm="${realm}",service="r",scope="repository:a:pull",error="invalid_token"`,
  );
});

test("lets no value break out of its quotes or its header line", () => {
  assert.equal(
    formatBasicChallenge('a"b\\c\r\nSet-Cookie: é'),
    'Basic realm="a\\"b\\\\c??Set-Cookie: ?", charset="UTF-8"',
  );
});

test("reads back what it writes", () => {
  const printable = fc.string({ unit: "grapheme-ascii" });
  fc.assert(
    fc.property(
      printable,
      printable,
      printable,
      fc.constantFrom("invalid_token", "insufficient_scope"),
      (...values) => {
        const [a, service, scope, error] = values;
        const header = `${formatBearerChallenge({ realm: a, service, scope, error })}, ${formatBasicChallenge(service)}`;
        assert.deepEqual(parseChallenges(header), [
          { scheme: "bearer", parameters: { realm: a, service, ...(scope === "" ? {} : { scope }), error } },
          { scheme: "basic", parameters: { realm: service, charset: "UTF-8" } },
        ]);
      },
    ),
  );
});

test("throws for no text at all", () => {
  const near = fc.string({ unit: fc.constantFrom("Basic", "Bearer", "a", "=", '"', "\\", ",", " ", "(") });
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
      for (const { scheme, parameters } of parseChallenges(text)) {
        assert.ok(scheme === "bearer" || scheme === "basic");
        for (const value of Object.values(parameters)) assert.equal(typeof value, "string");
      }
    }),
    { numRuns: 3_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseChallenges) < hostileLimitMs);
});
