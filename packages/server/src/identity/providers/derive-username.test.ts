import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isReservedName, isUsername } from "../users/username.ts";
import { deriveUsernames } from "./derive-username.ts";

const first = (name: string) => [...deriveUsernames(name, "library")].slice(0, 2);

test("makes the likeliest user name of what somebody is called elsewhere", () => {
  assert.deepEqual(first("Ada.Lovelace@corp.example"), ["ada.lovelace", "ada.lovelace-2"]);
  assert.deepEqual(first("CORP\\müller"), ["corp-muller", "corp-muller-2"]);
  assert.deepEqual(first("  a -- b..c__d "), ["a-b-c-d", "a-b-c-d-2"]);
  assert.deepEqual(first("伊藤"), ["user", "user-2"]);
  assert.deepEqual(first(""), ["user", "user-2"]);
});

test("gives nobody a reserved name or that of the default namespace", () => {
  assert.deepEqual(first("Library"), ["library-2", "library-3"]);
  assert.ok(!first("token").includes("token"));
});

test("gives only names of the form of a user name, whatever it is asked", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: "grapheme" }), (name) => {
      const names = [...deriveUsernames(name, "library")];
      assert.ok(names.length >= 99);
      assert.equal(new Set(names).size, names.length);
      for (const each of names) assert.ok(isUsername(each) && !isReservedName(each, "library"), each);
    }),
  );
});
