import type { Profile } from "../profile.ts";
import * as artifacts from "./artifact-data-sets.ts";
import type { DataSet } from "./data-set.ts";
import * as images from "./image-data-sets.ts";
import * as indexes from "./index-data-sets.ts";

/** The data sets of a profile, in the order in which they are pushed. Every call builds them anew. */
export function buildDataSets(profile: Profile): readonly DataSet[] {
  return [
    images.buildImage(),
    images.buildImageUncompressed(),
    images.buildLargeManifest(),
    indexes.buildIndex(),
    indexes.buildNestedIndex(),
    indexes.buildEmptyIndex(),
    artifacts.buildArtifact(),
    artifacts.buildArtifactIndex(),
    artifacts.buildArtifactWithoutLayers(),
    artifacts.buildArtifactsWithSubject(),
    artifacts.buildIndexWithSubject(),
    artifacts.buildMissingSubject(),
    images.buildDataField(),
    images.buildNonDistributableLayers(),
    indexes.buildCustomFields(),
    images.buildNoLayers(),
    ...(profile.pushesSparse ? [indexes.buildSparse()] : []),
    indexes.buildSha512(),
    ...(profile.pushesTagsByParameter
      ? [indexes.buildTagParameters("sha256"), indexes.buildTagParameters("sha512")]
      : []),
    images.buildBadDigestImage(),
  ];
}
