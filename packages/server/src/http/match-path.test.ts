import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpMethod } from "./endpoint.ts";
import { createMatcher } from "./match-path.ts";

const routes: readonly (readonly [HttpMethod, string])[] = [
  ["GET", "/v2/"],
  ["GET", "/v2/_catalog"],
  ["GET", "/v2/{name}/tags/list"],
  ["GET", "/v2/{name}/manifests/{reference}"],
  ["PUT", "/v2/{name}/manifests/{reference}"],
  ["GET", "/v2/{name}/blobs/{digest}"],
  ["POST", "/v2/{name}/blobs/uploads/"],
  ["PATCH", "/v2/{name}/blobs/uploads/{id}"],
  ["GET", "/v2/{name}/referrers/{digest}"],
  ["GET", "/api/v1/users"],
  ["GET", "/api/v1/users/me"],
  ["GET", "/api/v1/users/{user}"],
  ["DELETE", "/api/v1/users/{user}"],
];
const match = createMatcher(
  routes.map(([method, path]) => ({
    id: path,
    method,
    path,
    can: { who: "public" },
    summary: "",
    handle: async () => ({ status: 200 }),
  })),
);

function found(method: HttpMethod, pathname: string): readonly [string, Record<string, string>] | string {
  const result = match(method, pathname);
  return result.kind === "found" ? [result.endpoint.path, { ...result.params }] : result.kind;
}

test("takes names with any number of slashes", () => {
  for (const name of ["a", "a/b", "a/b/c/d/e"]) {
    assert.deepEqual(found("GET", `/v2/${name}/tags/list`), ["/v2/{name}/tags/list", { name }]);
    assert.deepEqual(found("GET", `/v2/${name}/manifests/v1`), [
      "/v2/{name}/manifests/{reference}",
      { name, reference: "v1" },
    ]);
  }
});

test("takes the last occurrence of a word that names contain, too", () => {
  const words = ["blobs", "manifests", "tags", "uploads", "referrers", "list", "tags/list", "blobs/uploads"];
  for (const word of words) {
    for (const name of [word, `${word}/a`, `a/${word}`, `a/${word}/b`, `${word}/${word}`]) {
      assert.deepEqual(found("GET", `/v2/${name}/tags/list`), ["/v2/{name}/tags/list", { name }]);
      assert.deepEqual(found("GET", `/v2/${name}/referrers/d`), [
        "/v2/{name}/referrers/{digest}",
        { name, digest: "d" },
      ]);
      assert.deepEqual(found("POST", `/v2/${name}/blobs/uploads/`), ["/v2/{name}/blobs/uploads/", { name }]);
      assert.deepEqual(found("PATCH", `/v2/${name}/blobs/uploads/u`), [
        "/v2/{name}/blobs/uploads/{id}",
        { name, id: "u" },
      ]);
      assert.deepEqual(found("GET", `/v2/${name}/blobs/d`), [
        "/v2/{name}/blobs/{digest}",
        { name, digest: "d" },
      ]);
    }
  }
});

test("prefers literals to parameters", () => {
  assert.deepEqual(found("GET", "/api/v1/users/me"), ["/api/v1/users/me", {}]);
  assert.deepEqual(found("GET", "/api/v1/users/you"), ["/api/v1/users/{user}", { user: "you" }]);
  assert.deepEqual(found("GET", "/v2/_catalog"), ["/v2/_catalog", {}]);
});

test("decodes once", () => {
  assert.deepEqual(found("GET", "/v2/a%2Fb/tags/list"), ["/v2/{name}/tags/list", { name: "a/b" }]);
  assert.deepEqual(found("GET", "/v2/a%252Fb/tags/list"), ["/v2/{name}/tags/list", { name: "a%2Fb" }]);
  assert.deepEqual(found("GET", "/v2/a/blobs/sha256%3Aabc"), [
    "/v2/{name}/blobs/{digest}",
    { name: "a", digest: "sha256:abc" },
  ]);
  for (const bad of ["%", "%z1", "%ff", "%c0%af"]) {
    assert.throws(() => match("GET", `/v2/${bad}/tags/list`), { code: "REQUEST_INVALID" });
  }
});

test("knows no empty name, no empty parameter, nothing that is near a path", () => {
  const unknown = [
    "",
    "/",
    "/v1/",
    "/v1/search",
    "/v2",
    "/v2/tags/list",
    "/v2/blobs/uploads/",
    "/v2/a/manifests/",
    "/v2/a/manifests",
    "/v2/a/tags/list/",
    "/v2x/a/tags/list",
    "//v2/a/tags/list",
    "/api/v1/users/",
    "/api/v1/users/a/b",
    "*",
  ];
  for (const path of unknown) {
    assert.equal(found("GET", path), "unknown", path);
  }
  // An empty name is one; whoever parses it says what is wrong with it.
  assert.deepEqual(found("GET", "/v2//tags/list"), ["/v2/{name}/tags/list", { name: "" }]);
});

test("tells the methods that a path has", () => {
  const result = match("PATCH", "/v2/a/manifests/v1");
  assert.ok(result.kind === "wrong-method");
  assert.deepEqual([...result.allowed].sort(), ["GET", "PUT"]);
  assert.equal(match("HEAD", "/v2/a/tags/list").kind, "wrong-method");
  assert.equal(match("GET", "/v2/a/blobs/uploads/").kind, "wrong-method");
});
