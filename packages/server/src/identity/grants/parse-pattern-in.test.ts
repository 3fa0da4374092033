import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesRepository } from "@entrepot/oci/path-pattern";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import fc from "fast-check";
import { namespaceOf } from "../../access/create-access.ts";
import { parsePatternIn } from "./parse-pattern-in.ts";

test("takes patterns below the namespace, and single components in the default namespace only", () => {
  for (const pattern of ["acme/app", "acme/*", "acme/**", "acme/a*/b", "acme/app/**"]) {
    assert.equal(parsePatternIn("acme", pattern, "library"), pattern);
  }
  for (const pattern of ["alpine", "al*", "*", "library/**"]) {
    assert.equal(parsePatternIn("library", pattern, "library"), pattern);
  }
  const reachOut = [
    "acme",
    "acm*",
    "*",
    "**",
    "*/app",
    "acm*/app",
    "acme2/app",
    "other/app",
    "other/**",
    "alpine",
  ];
  for (const pattern of reachOut) {
    assert.throws(() => parsePatternIn("acme", pattern, "library"), { code: "REQUEST_INVALID" }, pattern);
  }
  for (const pattern of ["**", "acme/**", "*/x"]) {
    assert.throws(() => parsePatternIn("library", pattern, "library"), { code: "REQUEST_INVALID" }, pattern);
  }
  for (const pattern of ["", "acme/", "acme//x", "acme/**/x", "Acme/x", "acme/a b", "a\0b/x"]) {
    assert.throws(() => parsePatternIn("acme", pattern, "library"), { code: "NAME_INVALID" }, pattern);
  }
});

test("no pattern that is taken names a repository of another namespace", () => {
  const word = fc.constantFrom("a", "b", "ab", "library");
  const part = fc.constantFrom("a", "b", "ab", "library", "*", "a*", "*b", "**", "a*b");
  const texts = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const names = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join("/"));
  fc.assert(
    fc.property(word, texts, fc.array(names, { maxLength: 30 }), (namespace, text, repositories) => {
      let pattern: ReturnType<typeof parsePatternIn>;
      try {
        pattern = parsePatternIn(namespace, text, "library");
      } catch {
        return;
      }
      for (const name of repositories) {
        if (!matchesRepository(pattern, name)) continue;
        assert.equal(namespaceOf(parseRepositoryName(name), "library"), namespace, `${text} names ${name}`);
      }
    }),
    { numRuns: 5_000 },
  );
});
