import { randomBytes } from "node:crypto";
import type { DigestAlgorithm } from "../content-digest.ts";
import { contentDigest } from "../content-digest.ts";
import { mediaTypes } from "../media-types.ts";
import { addImage, addImageIndex, linuxAmd64, linuxArm64 } from "./add-image.ts";
import type { DataSet } from "./data-set.ts";
import { DataSetBuilder } from "./data-set-builder.ts";

export function buildIndex(): DataSet {
  const builder = new DataSetBuilder("index");
  addImageIndex(builder, { tag: "index" });
  return builder.build();
}

export function buildNestedIndex(): DataSet {
  const builder = new DataSetBuilder("nested-index");
  const children = [addImageIndex(builder), addImageIndex(builder)];
  builder.addIndexManifest(children, { tag: "index-of-index" });
  return builder.build();
}

/** `manifests: []`: the one manifest whose bytes, and so its digest, are the same in every run. */
export function buildEmptyIndex(): DataSet {
  const builder = new DataSetBuilder("empty-index");
  builder.addIndexManifest([], { tag: "index" });
  return builder.build();
}

/** Fields that no specification knows, in the index, its images and their configs. */
export function buildCustomFields(): DataSet {
  const builder = new DataSetBuilder("custom-fields", { hasCustomFields: true });
  addImageIndex(builder, { tag: "custom-fields" });
  return builder.build();
}

/** An image of which one layer is never pushed, and an index of which one child is never pushed. */
export function buildSparse(): DataSet {
  const builder = new DataSetBuilder("sparse");
  const layers = [builder.addLayer(0), builder.addLayer(1)];
  const config = builder.addConfig(
    linuxAmd64,
    layers.map((layer) => layer.diffId),
  );
  const descriptors = layers.map((layer) => layer.descriptor);
  builder.addImageManifest(config, descriptors, { tag: "sparse-image" });
  for (const { digest } of descriptors.slice(0, 1)) builder.withholdBlob(digest);

  const present = { ...addImage(builder), platform: linuxAmd64 };
  const absentDigest = contentDigest("sha256", randomBytes(1024));
  const absent = {
    mediaType: mediaTypes.imageManifest,
    digest: absentDigest,
    size: 1024,
    platform: linuxArm64,
  };
  builder.addIndexManifest([present, absent], { tag: "sparse-index" });
  return builder.build();
}

/** Everything by sha512. Without the tag parameter there is no way to tag such an image, so it has no tag. */
export function buildSha512(): DataSet {
  const builder = new DataSetBuilder("sha512", { algorithm: "sha512" });
  addImageIndex(builder);
  return builder.build();
}

/** Four tags that travel with the push by digest: two on the index, one on each image. */
export function buildTagParameters(algorithm: DigestAlgorithm): DataSet {
  const name = `tag-param-${algorithm}`;
  const builder = new DataSetBuilder(name, { algorithm });
  addImageIndex(builder, { tag: name });
  for (const [number, { digest }] of builder.manifests.entries()) builder.addTag(`${name}-${number}`, digest);
  return builder.build({ pushesTagsByParameter: true });
}
