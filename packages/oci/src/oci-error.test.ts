import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OciError, ociErrorCodes, quoted } from "./oci-error.ts";

test("carries code, message, cause and detail", () => {
  const cause = new Error("disk");
  const error = new OciError("BLOB_UNKNOWN", "no such blob", { cause, detail: { digest: "x" } });
  assert.ok(error instanceof Error);
  assert.equal(error.name, "OciError");
  assert.equal(error.code, "BLOB_UNKNOWN");
  assert.equal(error.message, "no such blob");
  assert.equal(error.cause, cause);
  assert.deepEqual(error.detail, { digest: "x" });
});

test("has neither cause nor detail unless they are given", () => {
  const error = new OciError("DENIED", "no");
  assert.equal("cause" in error, false);
  assert.equal(error.detail, undefined);
});

test("lists the fourteen codes of the distribution-spec once each", () => {
  assert.equal(new Set(ociErrorCodes).size, 14);
  assert.equal(ociErrorCodes.length, 14);
});

test("quotes outside text and cuts it after 80 characters", () => {
  assert.equal(quoted('a"b'), '"a\\"b"');
  assert.equal(quoted("a".repeat(80)), `"${"a".repeat(80)}"`);
  assert.equal(quoted("a".repeat(81)), `"${"a".repeat(80)}…"`);
});

test("escapes what could move a cursor or turn a line around", () => {
  assert.equal(quoted("\u0007\u001b[31m\r\n"), String.raw`"\u0007\u001b[31m\r\n"`);
  assert.equal(quoted("a\u009bb\u202ec\u2028d"), String.raw`"a\u{9b}b\u{202e}c\u{2028}d"`);
  assert.equal(quoted("\ud800"), String.raw`"\ud800"`);
});

test("never lets a control or format character through", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(quoted(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});
