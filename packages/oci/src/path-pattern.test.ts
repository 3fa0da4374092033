import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  containsPattern,
  containsTagPattern,
  isWildcard,
  literalPrefixOf,
  matchesRepository,
  matchesTag,
  parseRepositoryPattern,
  parseTagPattern,
  pathsAbove,
  type RepositoryPattern,
} from "./path-pattern.ts";
import { hostileTexts } from "./testing/hostile-texts.ts";

test("names what lies at or below a path, and nothing else", () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["acme/app", ["acme/app"], ["acme/app2", "acme/app/x", "acme", "xacme/app"]],
    ["acme/app/**", ["acme/app/x", "acme/app/x/y"], ["acme/app", "acme/application", "acme/app2/x"]],
    ["acme/*", ["acme/app"], ["acme", "acme/app/x", "acme2/app"]],
    ["acme/*/web", ["acme/a/web"], ["acme/web", "acme/a/b/web", "acme/a/web/x"]],
    ["acme/app-*", ["acme/app-1", "acme/app-"], ["acme/app", "acme/app-1/x"]],
    ["**", ["acme", "acme/app/x"], []],
    ["*", ["acme"], ["acme/app"]],
  ];
  for (const [text, inside, outside] of cases) {
    const pattern = parseRepositoryPattern(text);
    for (const name of inside) assert.ok(matchesRepository(pattern, name), `${text} names ${name}`);
    for (const name of outside) assert.ok(!matchesRepository(pattern, name), `${text} does not name ${name}`);
  }
});

test("refuses what is no pattern", () => {
  const texts = [
    "",
    "/",
    "a//b",
    "a/",
    "/a",
    "A",
    "a/**/b",
    "a/x**",
    "a b",
    "-a",
    `${"*a".repeat(17)}`,
    "a".repeat(256),
  ];
  for (const text of [...texts, ...hostileTexts.filter((text) => !/^[a-z0-9*]/.test(text))]) {
    assert.throws(
      () => parseRepositoryPattern(text),
      { code: "NAME_INVALID" },
      JSON.stringify(text.slice(0, 40)),
    );
  }
  for (const text of ["", ".a", "-a", "a b", "a/b", "a".repeat(129), "a*".repeat(17)]) {
    assert.throws(() => parseTagPattern(text), { code: "NAME_INVALID" }, JSON.stringify(text));
  }
});

const component = fc.stringMatching(/^[ab][ab]{0,2}$/);
const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const wild = fc.stringMatching(/^[ab*][ab*]{0,2}$/).filter((part) => !part.includes("**"));
const pattern = fc
  .tuple(fc.array(wild, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([parts, isOpen]) => parseRepositoryPattern([...parts, ...(isOpen ? ["**"] : [])].join("/")));

/** The same rules as an expression; fit for tests, as it backtracks. */
function expressionOf(text: RepositoryPattern): RegExp {
  const parts = text
    .split("/")
    .map((part) => (part === "**" ? "[^/]+(?:/[^/]+)*" : part.replaceAll("*", "[^/]*")));
  return new RegExp(`^${parts.join("/")}$`);
}

test("matches as an expression of the same meaning does", () => {
  fc.assert(
    fc.property(pattern, name, (text, path) => {
      assert.equal(matchesRepository(text, path), expressionOf(text).test(path));
    }),
    { numRuns: 2_000 },
  );
});

test("what a pattern names lies at or below its literal prefix", () => {
  fc.assert(
    fc.property(pattern, name, (text, path) => {
      if (!matchesRepository(text, path)) return;
      assert.ok(pathsAbove(path).includes(literalPrefixOf(text)));
      assert.ok(isWildcard(text) || literalPrefixOf(text) === path);
    }),
    { numRuns: 2_000 },
  );
});

test("a pattern that is contained names nothing that its container does not", () => {
  fc.assert(
    fc.property(pattern, pattern, name, (outer, inner, path) => {
      if (!containsPattern(outer, inner) || !matchesRepository(inner, path)) return;
      assert.ok(matchesRepository(outer, path), `${outer} ⊇ ${inner} ∋ ${path}`);
    }),
    { numRuns: 5_000 },
  );
  const contains = (outer: string, inner: string) =>
    containsPattern(parseRepositoryPattern(outer), parseRepositoryPattern(inner));
  assert.ok(contains("acme/**", "acme/app/**"));
  assert.ok(contains("acme/*", "acme/app-*"));
  assert.ok(contains("**", "acme/**"));
  assert.ok(!contains("acme/*", "acme/**"));
  assert.ok(!contains("acme/app-*", "acme/*"));
  assert.ok(!contains("acme/**", "**"));
});

test("patterns of tags", () => {
  assert.ok(matchesTag(parseTagPattern("1.*"), "1.2"));
  assert.ok(!matchesTag(parseTagPattern("1.*"), "11.2"));
  assert.ok(matchesTag(parseTagPattern("*"), "latest"));
  assert.ok(matchesTag(parseTagPattern("v*-rc*"), "v1-rc2"));
  assert.ok(containsTagPattern(undefined, parseTagPattern("a*")));
  assert.ok(!containsTagPattern(parseTagPattern("a*"), undefined));
  assert.ok(containsTagPattern(parseTagPattern("a*"), parseTagPattern("ab*")));
});

test("takes no longer for a hostile pattern", () => {
  const hostile = parseTagPattern("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
  assert.equal(matchesTag(hostile, "a".repeat(127)), false);
});
