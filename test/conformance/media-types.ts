/** Media types that the suite pushes, spelled out here so that it does not depend on the code it tests. */
export const mediaTypes = {
  octetStream: "application/octet-stream",
  imageConfig: "application/vnd.oci.image.config.v1+json",
  imageManifest: "application/vnd.oci.image.manifest.v1+json",
  imageIndex: "application/vnd.oci.image.index.v1+json",
  layerTar: "application/vnd.oci.image.layer.v1.tar",
  layerTarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  nondistributableLayerTar: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  nondistributableLayerTarGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  emptyJson: "application/vnd.oci.empty.v1+json",
  exampleArtifact1: "application/vnd.example.oci.conformance.v1",
  exampleArtifact2: "application/vnd.example.oci.conformance.v2",
} as const;
