import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestSizeLimitBytes, parseManifest } from "./manifest.ts";
import { mediaTypes } from "./media-types.ts";

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}`;
const config = { mediaType: mediaTypes.imageConfig, digest: digestOf("1"), size: 2 };
const layer = { mediaType: mediaTypes.layerTarGzip, digest: digestOf("2"), size: 3 };
const child = { mediaType: mediaTypes.imageManifest, digest: digestOf("3"), size: 4 };
const image = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [child] };
const artifactManifest = "application/vnd.oci.artifact.manifest.v1+json";

const bytesOf = (json: unknown) => Buffer.from(JSON.stringify(json));
const parse = (json: unknown, contentType: string) => parseManifest(bytesOf(json), contentType);

function refuses(json: unknown, contentType: string, message: RegExp): void {
  assert.throws(() => parse(json, contentType), { name: "OciError", code: "MANIFEST_INVALID", message });
}

test("reads an image of either family", () => {
  for (const mediaType of [mediaTypes.imageManifest, mediaTypes.dockerManifest]) {
    assert.deepEqual(parse({ ...image, mediaType }, mediaType), {
      kind: "image",
      mediaType,
      artifactType: config.mediaType,
      config,
      layers: [layer],
      manifests: [],
      subject: undefined,
      annotations: {},
    });
  }
});

test("reads an index of either family, whose entries may be layers and may be none", () => {
  for (const mediaType of [mediaTypes.imageIndex, mediaTypes.dockerManifestList]) {
    const parsed = parse(
      { ...index, mediaType, manifests: [child, layer], subject: child, annotations: { a: "b" } },
      mediaType,
    );
    assert.deepEqual(parsed, {
      kind: "index",
      mediaType,
      artifactType: undefined,
      config: undefined,
      layers: [],
      manifests: [child, layer],
      subject: child,
      annotations: { a: "b" },
    });
    assert.deepEqual(parse({ ...index, mediaType, manifests: [] }, mediaType).manifests, []);
  }
});

test("shows the artifact type of the manifest, else of an image's config", () => {
  const type = (json: object, contentType: string) => parse(json, contentType).artifactType;
  assert.equal(type({ ...image, artifactType: "a/b" }, mediaTypes.imageManifest), "a/b");
  assert.equal(type({ ...image, artifactType: "" }, mediaTypes.imageManifest), mediaTypes.imageConfig);
  assert.equal(type({ ...image, artifactType: null }, mediaTypes.imageManifest), mediaTypes.imageConfig);
  assert.equal(type({ ...index, artifactType: "a/b" }, mediaTypes.imageIndex), "a/b");
  refuses({ ...image, artifactType: 1 }, mediaTypes.imageManifest, /artifactType must be a string/);
  refuses({ ...image, artifactType: "a\u0000" }, mediaTypes.imageManifest, /is no media type/);
});

test("takes an image without mediaType field, without layers, and with fields nobody knows", () => {
  const { mediaType: _, ...rest } = image;
  assert.equal(parse({ ...rest, layers: [] }, mediaTypes.imageManifest).mediaType, mediaTypes.imageManifest);
  assert.deepEqual(
    parse({ ...image, layers: null, manifests: null, x: [1] }, mediaTypes.imageManifest).layers,
    [],
  );
  assert.deepEqual(
    parse({ ...index, manifests: null, layers: null, config: null }, mediaTypes.imageIndex).manifests,
    [],
  );
});

test("ignores parameters and case of the Content-Type, and keeps it as it was sent", () => {
  assert.equal(
    parse(image, `${mediaTypes.imageManifest}; charset=utf-8`).mediaType,
    mediaTypes.imageManifest,
  );
  const capitals = mediaTypes.imageManifest.toUpperCase();
  assert.equal(parse(image, ` ${capitals} ;x`).mediaType, capitals);
  refuses({ schemaVersion: 2 }, capitals, /needs a config/);
});

test("takes the mediaType field where the Content-Type says nothing", () => {
  for (const contentType of ["", " ", ";x", "application/octet-stream", "application/json; charset=utf-8"]) {
    assert.equal(parse(image, contentType).mediaType, mediaTypes.imageManifest);
    refuses({ ...image, mediaType: undefined }, contentType, /say what it is/);
    refuses({ ...image, mediaType: "a b" }, contentType, /is no media type/);
    refuses({ ...image, mediaType: "a".repeat(256) }, contentType, /is no media type/);
  }
});

test("refuses a Content-Type that is none or not that of the mediaType field", () => {
  refuses(image, mediaTypes.imageIndex, /was sent as .*index.* but its mediaType is .*manifest/);
  refuses({ ...image, mediaType: 1 }, mediaTypes.imageManifest, /mediaType must be a string/);
  refuses({ schemaVersion: 2 }, "a b", /is no media type/);
  refuses({ schemaVersion: 2 }, "a/é", /is no media type/);
});

test("takes types nobody knows, and reads what they share with those it knows", () => {
  const parsed = parse(
    { blobs: [layer], subject: child, mediaType: artifactManifest, artifactType: "a/b" },
    artifactManifest,
  );
  assert.deepEqual([parsed.kind, parsed.layers, parsed.subject], ["image", [layer], child]);
  assert.equal(parsed.artifactType, "a/b");
  const list = parse({ schemaVersion: 1, manifests: [child] }, "application/x");
  assert.deepEqual([list.kind, list.manifests, list.artifactType], ["index", [child], undefined]);
  assert.equal(parse({ schemaVersion: 3, fsLayers: [] }, "application/x").kind, "image");
  const empty = parse({}, "application/x");
  assert.deepEqual([empty.kind, empty.artifactType, empty.config], ["image", undefined, undefined]);
  refuses({ config: "x" }, "application/x", /config of the manifest/);
  refuses({ manifests: {} }, "application/x", /manifests must be a list/);
});

test("refuses schema 1, under whatever type it comes", () => {
  refuses({ schemaVersion: 1 }, mediaTypes.dockerSchema1Signed, /schema 1 is not supported/);
  refuses({ schemaVersion: 2 }, mediaTypes.dockerSchema1, /schema 1 is not supported/);
  refuses({ schemaVersion: 1, fsLayers: [] }, "application/x", /schema 1 is not supported/);
});

test("refuses a known type that does not have its form", () => {
  refuses({ ...image, schemaVersion: 1 }, mediaTypes.imageManifest, /schemaVersion must be 2/);
  refuses({ ...image, schemaVersion: undefined }, mediaTypes.imageManifest, /schemaVersion must be 2/);
  refuses({ ...index, schemaVersion: "2" }, mediaTypes.imageIndex, /schemaVersion must be 2/);
  refuses({ ...image, config: null }, mediaTypes.imageManifest, /needs a config/);
  refuses({ ...image, layers: undefined }, mediaTypes.imageManifest, /needs layers/);
  refuses({ ...image, layers: {} }, mediaTypes.imageManifest, /layers must be a list/);
  refuses({ ...index, manifests: undefined }, mediaTypes.imageIndex, /needs manifests/);
  refuses({ ...index, manifests: "x" }, mediaTypes.imageIndex, /manifests must be a list/);
  refuses({ ...image, annotations: { a: 1 } }, mediaTypes.imageManifest, /annotations of the manifest/);
});

test("refuses a document that is image and index at once (CVE-2021-41190)", () => {
  refuses({ ...image, manifests: [] }, mediaTypes.imageManifest, /has manifests like an index/);
  refuses({ ...index, layers: [] }, mediaTypes.imageIndex, /has config or layers/);
  refuses({ ...index, config }, mediaTypes.imageIndex, /has config or layers/);
});

test("says which descriptor is wrong", () => {
  refuses({ ...image, layers: [layer, {}] }, mediaTypes.imageManifest, /the layer 2 of the manifest/);
  refuses({ ...index, manifests: [1] }, mediaTypes.imageIndex, /the entry 1 of the manifest/);
  refuses({ ...image, subject: [] }, mediaTypes.imageManifest, /the subject of the manifest/);
  const bad = { ...layer, digest: "sha256:baddigeststring" };
  assert.throws(() => parse({ ...image, layers: [bad] }, mediaTypes.imageManifest), {
    code: "DIGEST_INVALID",
  });
});

test("refuses what is no UTF-8, no JSON or no object", () => {
  for (const [text, message] of [
    ["", /not JSON/],
    ["{", /not JSON/],
    ["\ufeff{}", /not JSON/],
    ["[]", /must be a JSON object/],
    ["null", /must be a JSON object/],
    ['"x"', /must be a JSON object/],
  ] as const) {
    assert.throws(() => parseManifest(Buffer.from(text), "application/x"), {
      code: "MANIFEST_INVALID",
      message,
    });
  }
  const latin1 = Buffer.from('{"a":"é"}', "latin1");
  assert.throws(() => parseManifest(latin1, "application/x"), {
    code: "MANIFEST_INVALID",
    message: /not UTF-8/,
  });
});

test("takes the last of two equal keys, as JSON.parse does", () => {
  const text = `{"artifactType":"a/a","artifactType":"b/b"}`;
  assert.equal(parseManifest(Buffer.from(text), "application/x").artifactType, "b/b");
});

test("takes 4 MiB and no more", () => {
  const padded = (sizeBytes: number) => Buffer.from(JSON.stringify({ pad: "a".repeat(sizeBytes - 10) }));
  assert.equal(padded(manifestSizeLimitBytes).byteLength, manifestSizeLimitBytes);
  assert.equal(parseManifest(padded(manifestSizeLimitBytes), "application/x").kind, "image");
  assert.throws(() => parseManifest(padded(manifestSizeLimitBytes + 1), "application/x"), {
    code: "SIZE_INVALID",
  });
});

test("takes data that fills the manifest", () => {
  const size = 3_000_000;
  const data = Buffer.alloc(size).toString("base64");
  const parsed = parse({ ...image, config: { ...config, size, data } }, mediaTypes.imageManifest);
  assert.equal(parsed.config?.data?.length, data.length);
});

test("takes 64 levels and no more, and 4 MiB of brackets without a stack", () => {
  const nested = (levels: number) => Buffer.from(`{"x":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`);
  assert.equal(parseManifest(nested(64), "application/x").kind, "image");
  for (const bytes of [nested(65), nested(2_000_000), Buffer.alloc(manifestSizeLimitBytes, "[")]) {
    assert.throws(() => parseManifest(bytes, "application/x"), {
      code: "MANIFEST_INVALID",
      message: /deeper than 64/,
    });
  }
});

test("takes 10,000 descriptors and no more, in one list or in all", () => {
  const list = (length: number) => Array.from({ length }, () => layer);
  assert.equal(parse({ ...image, layers: list(10_000) }, mediaTypes.imageManifest).layers.length, 10_000);
  refuses({ ...image, layers: list(10_001) }, mediaTypes.imageManifest, /10001 layers; at most 10000/);
  refuses({ layers: list(5_000), blobs: list(5_001) }, "application/x", /10001 contents; at most 10000/);
});
