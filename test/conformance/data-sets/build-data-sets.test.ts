import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { contentDigest } from "../content-digest.ts";
import { arrayOf, parseJson, propertyOf } from "../json-value.ts";
import { getProfile } from "../profile.ts";
import { buildDataSets } from "./build-data-sets.ts";
import { algorithmOf } from "./data-set.ts";

const dataSets = buildDataSets(getProfile("dev+sparse"));

describe("buildDataSets", () => {
  it("gives every set the blobs, manifests and tags that the counts of a run are made of", () => {
    const sizes = dataSets.map(({ name, blobs, manifests, tags }) => [
      name,
      blobs.length,
      manifests.length,
      tags.length,
    ]);
    assert.deepEqual(sizes, [
      ["image", 3, 1, 1],
      ["image-uncompressed", 3, 1, 1],
      ["large-manifest", 3, 1, 1],
      ["index", 6, 3, 1],
      ["nested-index", 10, 7, 1],
      ["empty-index", 0, 1, 1],
      ["artifact", 2, 1, 1],
      ["artifact-index", 3, 3, 1],
      ["artifact-without-layers", 1, 1, 1],
      ["artifacts-with-subject", 8, 4, 3],
      ["index-with-subject", 9, 6, 2],
      ["missing-subject", 2, 1, 1],
      ["data-field", 3, 1, 1],
      ["non-distributable-layers", 2, 1, 1],
      ["custom-fields", 6, 3, 1],
      ["no-layers", 1, 1, 1],
      ["sparse", 4, 3, 2],
      ["sha512", 6, 3, 0],
      ["tag-param-sha256", 6, 3, 4],
      ["tag-param-sha512", 6, 3, 4],
      ["bad-digest-image", 3, 1, 0],
    ]);
  });

  it("names all content by its true digest, except where a wrong one is the point", () => {
    for (const { name, blobs, manifests } of dataSets) {
      for (const { digest, bytes } of blobs) assert.equal(contentDigest(algorithmOf(digest), bytes), digest);
      for (const { digest, bytes } of manifests) {
        assert.equal(contentDigest(algorithmOf(digest), bytes) === digest, name !== "bad-digest-image");
      }
    }
  });

  it("makes layers that tar can read and whose diff ids are those in the config", () => {
    const [image] = dataSets;
    const manifest = parseJson(image?.manifests[0]?.bytes ?? new Uint8Array());
    const bytesOf = (descriptor: unknown): Uint8Array => {
      const digest = propertyOf(descriptor, "digest");
      return image?.blobs.find((blob) => blob.digest === digest)?.bytes ?? new Uint8Array();
    };
    const layers = arrayOf(propertyOf(manifest, "layers"))?.map((layer) => gunzipSync(bytesOf(layer))) ?? [];
    const config = parseJson(bytesOf(propertyOf(manifest, "config")));
    assert.deepEqual(
      propertyOf(propertyOf(config, "rootfs"), "diff_ids"),
      layers.map((layer) => contentDigest("sha256", layer)),
    );
    const files = layers.map((layer) =>
      execFileSync("tar", ["-tf", "-"], { input: layer, encoding: "utf8" }).trim(),
    );
    assert.deepEqual(files, ["./conformance-0.txt", "./conformance-1.txt"]);
  });

  it("makes a large manifest of a little less than four megabytes", () => {
    const bytes = dataSets.find(({ name }) => name === "large-manifest")?.manifests[0]?.bytes.length ?? 0;
    assert.ok(bytes > 3_900_000 && bytes < 4_000_000, `${bytes} bytes`);
  });

  it("puts the content of configs and layers into their descriptors in data-field", () => {
    const dataSet = dataSets.find(({ name }) => name === "data-field");
    const manifest = parseJson(dataSet?.manifests[0]?.bytes ?? new Uint8Array());
    const descriptors = [propertyOf(manifest, "config"), ...(arrayOf(propertyOf(manifest, "layers")) ?? [])];
    for (const descriptor of descriptors) {
      const content = Buffer.from(String(propertyOf(descriptor, "data")), "base64");
      assert.equal(contentDigest("sha256", content), propertyOf(descriptor, "digest"));
    }
    assert.equal(descriptors.length, 3);
  });
});
