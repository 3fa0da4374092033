import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { contentDigest } from "../content-digest.ts";
import { mediaTypes } from "../media-types.ts";
import { addImage, linuxAmd64 } from "./add-image.ts";
import type { DataSet, Descriptor } from "./data-set.ts";
import { DataSetBuilder } from "./data-set-builder.ts";

export function buildImage(): DataSet {
  const builder = new DataSetBuilder("image");
  addImage(builder, { tag: "image" });
  return builder.build();
}

export function buildImageUncompressed(): DataSet {
  const builder = new DataSetBuilder("image-uncompressed");
  addImage(builder, { tag: "image-uncompressed", layerFormat: "plain" });
  return builder.build();
}

/** About 3.9 MB: a registry should take manifests of at least 4 MB (distribution-spec, "Pushing manifests"). */
export function buildLargeManifest(): DataSet {
  const builder = new DataSetBuilder("large-manifest");
  const names = Array.from({ length: 390 }, (_, number) => `large-annotation-${number}`);
  const annotations = Object.fromEntries(names.map((name) => [name, "A".repeat(10_000)]));
  addImage(builder, { tag: "large-manifest", annotations });
  return builder.build();
}

/** Descriptors that carry their content in `data`. */
export function buildDataField(): DataSet {
  const builder = new DataSetBuilder("data-field", { hasDataFields: true });
  addImage(builder, { tag: "data-field" });
  return builder.build();
}

/** Two layers that are never pushed, because their media types say that they come from elsewhere. */
export function buildNonDistributableLayers(): DataSet {
  const builder = new DataSetBuilder("non-distributable-layers");
  const compressed = absentLayer(mediaTypes.nondistributableLayerTarGzip, 123_456);
  const plain = absentLayer(mediaTypes.nondistributableLayerTar, 12_345);
  const normal = builder.addLayer(1);
  const diffIds = [contentDigest("sha256", randomBytes(256)), plain.digest, normal.diffId];
  const config = builder.addConfig(linuxAmd64, diffIds);
  builder.addImageManifest(config, [compressed, plain, normal.descriptor], {
    tag: "non-distributable-image",
  });
  return builder.build();
}

export function buildNoLayers(): DataSet {
  const builder = new DataSetBuilder("no-layers");
  addImage(builder, { tag: "no-layers", layerCount: 0 });
  return builder.build();
}

/** A manifest that is pushed to its digest with two spaces more than the digest covers. */
export function buildBadDigestImage(): DataSet {
  const builder = new DataSetBuilder("bad-digest-image");
  addImage(builder);
  const dataSet = builder.build();
  const manifests = dataSet.manifests.map((manifest) => ({
    ...manifest,
    bytes: Buffer.concat([manifest.bytes, Buffer.from("  ")]),
  }));
  return { ...dataSet, manifests, hasWrongDigests: true };
}

function absentLayer(mediaType: string, size: number): Descriptor {
  const digest = contentDigest("sha256", randomBytes(256));
  const urls = [`https://store.example.com/blobs/${digest.replace(":", "/")}`];
  return { mediaType, digest, size, urls };
}
