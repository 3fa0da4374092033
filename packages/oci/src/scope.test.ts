import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatScopes, intersectActions, mergeScopes, parseScopes } from "./scope.ts";
import { hostileLimitMs, hostileMs, parsedOrRefused } from "./testing/hostile-texts.ts";

for (const [text, expected] of [
  ["", []],
  ["   ", []],
  ["repository:acme/app:pull,push", [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }]],
  [
    "repository:r.example:5000/app:pull",
    [{ type: "repository", name: "r.example:5000/app", actions: ["pull"] }],
  ],
  ["repository(plugin):acme/app:pull", [{ type: "repository", name: "acme/app", actions: ["pull"] }]],
  ["registry:catalog:*", [{ type: "registry", name: "catalog", actions: ["*"] }]],
  ["repository:a:", [{ type: "repository", name: "a", actions: [] }]],
  ["repository:a:pull,,pull", [{ type: "repository", name: "a", actions: ["pull"] }]],
  [
    "repository:a:pull repository:b:pull  repository:a:push,pull",
    [
      { type: "repository", name: "a", actions: ["pull", "push"] },
      { type: "repository", name: "b", actions: ["pull"] },
    ],
  ],
] as const) {
  test(`parses ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseScopes(text), expected);
  });
}

const malformed = [
  "x",
  ":",
  "::",
  "a:b",
  ":a:pull",
  "repository::pull",
  "repository:a:Pull",
  "repository:a:pull;push",
];
for (const text of [
  ...malformed,
  "Repository:a:pull",
  "a(b)c:x:pull",
  "repository:é:pull",
  "repository:a\tb:pull",
  "a:b:**",
]) {
  test(`refuses ${JSON.stringify(text)}, and what stands beside it`, () => {
    assert.throws(() => parseScopes(text), { code: "NAME_INVALID", message: /is no scope/ });
    assert.throws(() => parseScopes(`repository:a:pull ${text}`), { code: "NAME_INVALID" });
  });
}

test("takes 100 scopes and no more", () => {
  const scopes = (count: number) =>
    Array.from({ length: count }, (_, index) => `repository:a${index}:pull`).join(" ");
  assert.equal(parseScopes(scopes(100)).length, 100);
  assert.throws(() => parseScopes(scopes(101)), { code: "NAME_INVALID", message: /at most 100/ });
});

test("does not take one resource for another when it unites them", () => {
  const scopes = [
    { type: "a", name: "b:c", actions: ["pull"] },
    { type: "a", name: "b", actions: ["pull"] },
    { type: "b", name: "b", actions: ["pull"] },
  ];
  assert.deepEqual(mergeScopes(scopes), scopes);
  assert.deepEqual(mergeScopes([]), []);
});

for (const [requested, permitted, granted] of [
  [["pull", "push"], ["pull"], ["pull"]],
  [["push"], ["pull"], []],
  [["*"], ["pull", "delete"], ["pull", "delete"]],
  [["push", "pull"], ["*"], ["push", "pull"]],
  [["*"], ["*"], ["*"]],
  [["*"], [], []],
  [[], ["*"], []],
] as const) {
  test(`grants [${granted.join()}] of [${requested.join()}] where [${permitted.join()}] is permitted`, () => {
    assert.deepEqual(intersectActions(requested, permitted), granted);
  });
}

test("grants nothing that was not both asked and permitted", () => {
  const actions = fc.array(fc.constantFrom<string>("pull", "push", "delete"));
  fc.assert(
    fc.property(actions, actions, (requested, permitted) => {
      const granted = intersectActions(requested, permitted);
      for (const action of ["pull", "push", "delete"]) {
        assert.equal(granted.includes(action), requested.includes(action) && permitted.includes(action));
      }
    }),
  );
});

test("reads back what it writes", () => {
  const scope = fc.record({
    type: fc.stringMatching(/^[a-z0-9]{1,5}$/),
    name: fc.stringMatching(/^[\x21-\x7e]{1,10}$/),
    actions: fc.uniqueArray(fc.constantFrom("pull", "push", "delete", "*")),
  });
  fc.assert(
    fc.property(fc.array(scope, { maxLength: 10 }), (scopes) => {
      assert.deepEqual(parseScopes(formatScopes(scopes)), mergeScopes(scopes));
    }),
  );
});

test("throws nothing but OciError", () => {
  const near = fc.string({ unit: fc.constantFrom("a", ":", ",", "(", ")", " ", "*", "/", "A") });
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
      const parsed = parsedOrRefused(() => parseScopes(text));
      if (parsed !== undefined) assert.deepEqual(parseScopes(formatScopes(parsed)), parsed);
    }),
    { numRuns: 3_000 },
  );
});

test("stays fast with hostile text", () => {
  assert.ok(hostileMs(parseScopes) < hostileLimitMs);
  assert.ok(hostileMs((text) => parseScopes(`${text}:a:pull`)) < hostileLimitMs);
});
