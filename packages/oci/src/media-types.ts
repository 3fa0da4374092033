/** Media types with a meaning for a registry; every other one is stored and served all the same. */
export const mediaTypes = {
  imageManifest: "application/vnd.oci.image.manifest.v1+json",
  imageIndex: "application/vnd.oci.image.index.v1+json",
  imageConfig: "application/vnd.oci.image.config.v1+json",
  emptyConfig: "application/vnd.oci.empty.v1+json",
  layerTar: "application/vnd.oci.image.layer.v1.tar",
  layerTarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerTarZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  nondistributableLayerTar: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  nondistributableLayerTarGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerForeignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
} as const;

// RFC 6838, 4.2: media types have no case. A client that spells one in capitals must not slip past the rules of its type.
function isOneOf(mediaType: string, ...known: readonly string[]): boolean {
  return known.includes(mediaType.toLowerCase());
}

/** OCI image index or Docker manifest list, in any case; no parameters. */
export function isIndexMediaType(mediaType: string): boolean {
  return isOneOf(mediaType, mediaTypes.imageIndex, mediaTypes.dockerManifestList);
}

/** OCI image manifest or Docker schema 2, in any case; no parameters. */
export function isImageManifestMediaType(mediaType: string): boolean {
  return isOneOf(mediaType, mediaTypes.imageManifest, mediaTypes.dockerManifest);
}

/** Layers that clients never push: nondistributable ones of OCI, foreign ones of docker. */
export function isNondistributableMediaType(mediaType: string): boolean {
  return (
    mediaType.toLowerCase().startsWith("application/vnd.oci.image.layer.nondistributable.") ||
    isOneOf(mediaType, mediaTypes.dockerForeignLayer)
  );
}

/** Docker's first manifest format, which nothing in use writes any more. */
export function isSchema1MediaType(mediaType: string): boolean {
  return isOneOf(mediaType, mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed);
}

/**
 * Whether a text may stand where a manifest has a media type: 1 to 255 characters (RFC 6838, 4.2: 127 for each half), none of them a control
 * character, which a database or a header could not hold. The grammar is not enforced further: artifacts exist that do not keep it.
 */
export function isMediaTypeText(text: string): boolean {
  return text !== "" && text.length <= 255 && !/\p{Cc}/u.test(text);
}
