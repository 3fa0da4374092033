import assert from "node:assert/strict";
import { test } from "node:test";
import { OciError, ociErrorCodes } from "@entrepot/oci/oci-error";
import { AppError, appErrorCodes } from "../lib/app-error.ts";
import { errorReply, surfaceOf } from "./error-reply.ts";
import { errorTable, toPublicError } from "./error-table.ts";

test("has a form for every code of the catalogue, and no other", () => {
  assert.deepEqual(Object.keys(errorTable).sort(), [...appErrorCodes].sort());
  for (const code of appErrorCodes) {
    const form = errorTable[code];
    assert.ok(form.status >= 400 && form.status < 600, code);
    assert.match(form.ociCode, /^[A-Z_]+$/);
  }
});

test("keeps the name of every code that OCI defines", () => {
  for (const code of ociErrorCodes) assert.equal(errorTable[code].ociCode, code);
});

test("answers with the statuses that the distribution-spec and its clients want", () => {
  const statuses = Object.fromEntries(appErrorCodes.map((code) => [code, errorTable[code].status]));
  assert.deepEqual(statuses, {
    BLOB_UNKNOWN: 404,
    BLOB_UPLOAD_INVALID: 400,
    BLOB_UPLOAD_UNKNOWN: 404,
    DIGEST_INVALID: 400,
    MANIFEST_BLOB_UNKNOWN: 404,
    MANIFEST_INVALID: 400,
    MANIFEST_UNKNOWN: 404,
    NAME_INVALID: 400,
    NAME_UNKNOWN: 404,
    SIZE_INVALID: 400,
    UNAUTHORIZED: 401,
    DENIED: 403,
    UNSUPPORTED: 405,
    TOOMANYREQUESTS: 429,
    REQUEST_INVALID: 400,
    RANGE_INVALID: 416,
    PAYLOAD_TOO_LARGE: 413,
    URI_TOO_LONG: 414,
    MFA_REQUIRED: 403,
    RECENT_SIGN_IN_REQUIRED: 403,
    CROSS_SITE: 403,
    CONFLICT: 409,
    IN_USE: 405,
    NOT_FOUND: 404,
    ALREADY_EXISTS: 409,
    STORAGE_FULL: 507,
    OVERLOADED: 429,
    UNAVAILABLE: 503,
    INTERNAL: 500,
  });
  assert.equal(errorTable.RANGE_INVALID.ociCode, "BLOB_UPLOAD_INVALID");
});

test("tells nothing of an error that is in no catalogue", () => {
  for (const thrown of [new Error("/var/lib/secret"), "text", undefined, new TypeError("x")]) {
    const shown = toPublicError(thrown);
    assert.equal(shown.code, "INTERNAL");
    assert.equal(shown.detail, undefined);
    assert.doesNotMatch(shown.message, /secret|text/);
  }
});

test("passes on code, sentence and detail of those that are", () => {
  const app = toPublicError(new AppError("RANGE_INVALID", "too early", { detail: { offset: 3 } }));
  assert.deepEqual(app, {
    code: "RANGE_INVALID",
    message: "too early",
    detail: { offset: 3 },
    retryAfterSeconds: undefined,
  });
  const oci = toPublicError(new OciError("DIGEST_INVALID", "no digest", { detail: "x" }));
  assert.deepEqual([oci.code, oci.message, oci.detail], ["DIGEST_INVALID", "no digest", "x"]);
});

test("says when to come back where that helps, and only there", () => {
  for (const code of appErrorCodes) {
    const shown = toPublicError(new AppError(code, "x"));
    const helps = ["OVERLOADED", "UNAVAILABLE", "TOOMANYREQUESTS"].includes(code);
    assert.equal(shown.retryAfterSeconds !== undefined, helps, code);
  }
  const shown = toPublicError(new AppError("UNAVAILABLE", "x", { retryAfterSeconds: 9 }));
  assert.deepEqual(errorReply(shown, "oci", "id").headers, { "retry-after": "9" });
});

test("speaks OCI below /v2 and /token, and problem details elsewhere", () => {
  for (const path of ["/v2", "/v2/", "/v2/a/b", "/token"]) assert.equal(surfaceOf(path), "oci");
  for (const path of ["/", "/v1/", "/v2x", "/tokens", "/api/v1/tokens"])
    assert.equal(surfaceOf(path), "management");
  const shown = toPublicError(new AppError("IN_USE", "an index has it", { detail: ["x"] }));
  assert.deepEqual(errorReply(shown, "oci", "id-1"), {
    status: 405,
    headers: {},
    body: {
      kind: "json",
      value: { errors: [{ code: "UNSUPPORTED", message: "an index has it", detail: ["x"] }] },
    },
  });
  assert.deepEqual(errorReply(shown, "management", "id-1"), {
    status: 409,
    headers: { "content-type": "application/problem+json" },
    body: {
      kind: "json",
      value: {
        type: "about:blank",
        title: "IN_USE",
        status: 409,
        detail: "an index has it",
        requestId: "id-1",
      },
    },
  });
});
