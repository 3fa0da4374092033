import { contentDigest } from "../content-digest.ts";
import { mediaTypes } from "../media-types.ts";
import {
  addArtifact,
  addArtifactIndex,
  addImage,
  addImageIndex,
  emptyJsonBytes,
  sampleAnnotations,
} from "./add-image.ts";
import type { DataSet } from "./data-set.ts";
import { DataSetBuilder, randomText } from "./data-set-builder.ts";

const { exampleArtifact1, exampleArtifact2, emptyJson, octetStream, imageManifest } = mediaTypes;

export function buildArtifact(): DataSet {
  const builder = new DataSetBuilder("artifact");
  addArtifact(builder, { tag: "artifact", artifactType: exampleArtifact1, layerType: exampleArtifact1 });
  return builder.build();
}

export function buildArtifactIndex(): DataSet {
  const builder = new DataSetBuilder("artifact-index");
  addArtifactIndex(builder, { tag: "artifact-index" });
  return builder.build();
}

/** Config and only layer are the same empty JSON object (image-spec, "Guidance for an Empty Descriptor"). */
export function buildArtifactWithoutLayers(): DataSet {
  const builder = new DataSetBuilder("artifact-without-layers");
  const layer = { layerType: emptyJson, layerBytes: emptyJsonBytes };
  // Otherwise it would be the same manifest in every run.
  const annotations = sampleAnnotations();
  addArtifact(builder, {
    tag: "artifact-without-layers",
    artifactType: exampleArtifact1,
    annotations,
    ...layer,
  });
  return builder.build();
}

/** An image with three referrers: another image without a tag, and two artifacts of different type. */
export function buildArtifactsWithSubject(): DataSet {
  const builder = new DataSetBuilder("artifacts-with-subject");
  const subject = addImage(builder, { tag: "image" });
  addImage(builder, { subject });
  const artifacts = [
    { tag: "tagged-artifact1", artifactType: exampleArtifact1, layerType: exampleArtifact1 },
    { tag: "tagged-artifact2", artifactType: exampleArtifact2, layerType: octetStream },
  ];
  for (const artifact of artifacts)
    addArtifact(builder, { ...artifact, subject, annotations: sampleAnnotations() });
  return builder.build();
}

/** An index with three referrers: an index of artifacts and the artifacts in it. */
export function buildIndexWithSubject(): DataSet {
  const builder = new DataSetBuilder("index-with-subject");
  const subject = addImageIndex(builder, { tag: "index" });
  addArtifactIndex(builder, { tag: "tagged-artifact", subject });
  return builder.build();
}

/** An artifact that refers to a manifest that was never pushed. */
export function buildMissingSubject(): DataSet {
  const builder = new DataSetBuilder("missing-subject");
  const digest = contentDigest("sha256", new TextEncoder().encode(`missing content ${randomText()}`));
  addArtifact(builder, {
    tag: "tagged-artifact",
    artifactType: exampleArtifact1,
    layerType: exampleArtifact1,
    subject: { mediaType: imageManifest, digest, size: 123 },
    annotations: sampleAnnotations(),
  });
  return builder.build();
}
