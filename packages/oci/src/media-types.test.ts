import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isImageManifestMediaType,
  isIndexMediaType,
  isMediaTypeText,
  isNondistributableMediaType,
  isSchema1MediaType,
  mediaTypes,
} from "./media-types.ts";

const all: readonly string[] = Object.values(mediaTypes);
const members: readonly (readonly [string, (mediaType: string) => boolean, readonly string[]])[] = [
  ["index", isIndexMediaType, [mediaTypes.imageIndex, mediaTypes.dockerManifestList]],
  ["image manifest", isImageManifestMediaType, [mediaTypes.imageManifest, mediaTypes.dockerManifest]],
  ["schema 1", isSchema1MediaType, [mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed]],
  [
    "nondistributable",
    isNondistributableMediaType,
    [
      mediaTypes.nondistributableLayerTar,
      mediaTypes.nondistributableLayerTarGzip,
      mediaTypes.dockerForeignLayer,
    ],
  ],
];

for (const [what, is, expected] of members) {
  test(`knows which types are ${what}, and in any case`, () => {
    assert.deepEqual(all.filter(is), expected);
    assert.deepEqual(
      all.map((type) => type.toUpperCase()).filter(is),
      expected.map((type) => type.toUpperCase()),
    );
    assert.equal(is(""), false);
  });
}

test("knows the nondistributable type that has no name here", () => {
  assert.equal(
    isNondistributableMediaType("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
    true,
  );
});

test("holds each type once, all of which may stand in a manifest", () => {
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every(isMediaTypeText));
});

test("refuses what a database or header could not hold as a media type", () => {
  assert.equal(isMediaTypeText("a".repeat(255)), true);
  assert.equal(isMediaTypeText("text/plain; charset=utf-8"), true);
  for (const text of ["", "a".repeat(256), "a\u0000b", "a\nb", "a\u0085"])
    assert.equal(isMediaTypeText(text), false);
});
