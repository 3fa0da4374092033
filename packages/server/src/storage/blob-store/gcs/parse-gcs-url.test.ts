import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGcsUrl } from "./parse-gcs-url.ts";

test("a url says bucket, place and how to speak; without more it is Google's own address", () => {
  const plain = parseGcsUrl("gs://my-bucket/a/b/");
  assert.deepEqual(
    [plain.bucket, plain.prefix, plain.endpoint, plain.publicEndpoint, plain.signEndpoint, plain.partBytes],
    ["my-bucket", "a/b/", "https://storage.googleapis.com", undefined, undefined, 8_388_608],
  );
  const other = parseGcsUrl(
    "gs://my-bucket?endpoint=https://gcs.example.org/&publicEndpoint=https://cdn.example.org&signEndpoint=https://iam.example.org/v1&partMiB=16&kmsKey=projects/p/k&storageClass=NEARLINE",
  );
  assert.deepEqual(
    [other.prefix, other.endpoint, other.publicEndpoint, other.signEndpoint],
    ["", "https://gcs.example.org", "https://cdn.example.org", "https://iam.example.org/v1/"],
  );
  assert.deepEqual(
    [other.partBytes, other.kmsKey, other.storageClass],
    [16_777_216, "projects/p/k", "NEARLINE"],
  );
});

test("a url that is not of its form is refused, and never quoted", () => {
  for (const url of [
    "gs:///prefix",
    "gs://key:secret@my-bucket",
    "gs://my-bucket?endpint=x",
    "gs://my-bucket?endpoint=ftp://x",
    "gs://my-bucket?endpoint=https://key:secret@x",
    "gs://my-bucket?partMiB=4",
    "gs://my-bucket/a%20b",
    "gs://UPPER",
    "gs://a",
  ]) {
    assert.throws(
      () => parseGcsUrl(url),
      (error: Error & { readonly code?: string }) => {
        assert.equal(error.code, "REQUEST_INVALID", url);
        assert.ok(!error.message.includes("secret@"), url);
        return true;
      },
      url,
    );
  }
});
