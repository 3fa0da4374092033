import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isNotFound, readErrorBody, refusal } from "./registry-error.ts";

describe("registry errors", () => {
  it("takes code and message from the body", () => {
    const body = '{"errors":[{"code":"DENIED","message":"no \\"push\\" here"},{"code":"OTHER"}]}';
    const error = refusal("store a blob in a/b", "example.org", 403, body);
    assert.equal(error.message, 'cannot store a blob in a/b at example.org: no "push" here (403 DENIED)');
    assert.deepEqual([error.code, error.status], ["DENIED", 403]);
  });

  it("says what a status means where the body says nothing", () => {
    assert.match(refusal("x", "h", 401, "").message, /it wants other credentials \(401\)$/);
    assert.match(refusal("x", "h", 403, "<html>").message, /do not allow it \(403\)$/);
    assert.match(refusal("x", "h", 418, "[]").message, /the registry refused \(418\)$/);
    assert.match(refusal("x", "h", 500, "null").message, /has a problem \(500\)$/);
    assert.equal(isNotFound(refusal("x", "h", 404, "")), true);
    assert.equal(isNotFound(new Error("404")), false);
  });

  it("lets no body steer a terminal or make up a code", () => {
    const body = JSON.stringify({ errors: [{ code: "x\n", message: `\u001b[2J${"y".repeat(9_000)}` }] });
    assert.equal(readErrorBody(body).code, "");
    const { message } = refusal("x", "h", 400, body);
    assert.equal(/[\p{Cc}]/u.test(message), false);
    assert.equal(message.length < 600, true);
  });
});
