import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isNestedDeeper, isObject, readAnnotations } from "./json-object.ts";

test("takes neither null nor a list for an object", () => {
  assert.equal(isObject({}), true);
  for (const value of [null, [], "x", 1, undefined]) assert.equal(isObject(value), false);
});

test("reads annotations that are strings, and no others", () => {
  assert.deepEqual(readAnnotations({ a: "b", "": "" }, "manifest"), { a: "b", "": "" });
  for (const value of [{ a: 1 }, { a: null }, [], "x", null]) {
    assert.throws(() => readAnnotations(value, "layer 2"), {
      code: "MANIFEST_INVALID",
      message: /of the layer 2/,
    });
  }
});

test("measures nesting by brackets outside strings", () => {
  assert.equal(isNestedDeeper('{"a":[[]]}', 3), false);
  assert.equal(isNestedDeeper('{"a":[[]]}', 2), true);
  assert.equal(isNestedDeeper(String.raw`["[[[[", "\"[[[[", "\\", []]`, 2), false);
  assert.equal(isNestedDeeper("[[],[],[]]", 2), false);
  assert.equal(isNestedDeeper("", 0), false);
});

test("measures every JSON value as a walk over it does", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const depth = depthOf(value);
      assert.equal(isNestedDeeper(JSON.stringify(value), depth), false);
      if (depth > 0) assert.equal(isNestedDeeper(JSON.stringify(value), depth - 1), true);
    }),
  );
});
