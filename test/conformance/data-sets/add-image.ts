import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { mediaTypes } from "../media-types.ts";
import type { Descriptor, Platform } from "./data-set.ts";
import type { DataSetBuilder, ManifestSettings } from "./data-set-builder.ts";
import { randomText } from "./data-set-builder.ts";

export const linuxAmd64: Platform = { os: "linux", architecture: "amd64" };
export const linuxArm64: Platform = { os: "linux", architecture: "arm64" };

export interface ImageSettings extends ManifestSettings {
  /** Default: linux/amd64. */
  readonly platform?: Platform;
  /** Default: two. */
  readonly layerCount?: number;
  /** Default: gzip. */
  readonly layerFormat?: "gzip" | "plain";
}

/** Adds an image: layers of one small text file each, a config and a manifest. */
export function addImage(builder: DataSetBuilder, settings: ImageSettings = {}): Descriptor {
  const { platform = linuxAmd64, layerCount = 2, layerFormat = "gzip", ...manifest } = settings;
  const layers = Array.from({ length: layerCount }, (_, number) => builder.addLayer(number, layerFormat));
  const diffIds = layers.map((layer) => layer.diffId);
  const config = builder.addConfig(platform, diffIds);
  return builder.addImageManifest(
    config,
    layers.map((layer) => layer.descriptor),
    manifest,
  );
}

/** Adds an index of an image for linux/amd64 and one for linux/arm64. */
export function addImageIndex(builder: DataSetBuilder, settings: ManifestSettings = {}): Descriptor {
  const images = [linuxAmd64, linuxArm64].map((platform) => ({
    ...addImage(builder, { platform }),
    platform,
  }));
  return builder.addIndexManifest(images, settings);
}

export interface ArtifactSettings extends ManifestSettings {
  readonly artifactType: string;
  readonly layerType: string;
  /** Default: 2048 random bytes. */
  readonly layerBytes?: Uint8Array;
}

/** The empty JSON object, which artifacts use as their config. */
export const emptyJsonBytes: Uint8Array = Buffer.from("{}");

/** Adds an artifact: an image manifest with an empty config, an `artifactType` and one layer. */
export function addArtifact(builder: DataSetBuilder, settings: ArtifactSettings): Descriptor {
  const { layerType, layerBytes = randomBytes(2048), ...manifest } = settings;
  const layer = builder.addBlob(layerType, layerBytes);
  const config = builder.addBlob(mediaTypes.emptyJson, emptyJsonBytes);
  return builder.addImageManifest(config, [layer], manifest);
}

export interface ArtifactIndexSettings {
  readonly tag: string;
  /** Then the index and both artifacts refer to it, each with annotations of its own. */
  readonly subject?: Descriptor;
}

/** Adds an index, with an `artifactType`, of two artifacts. */
export function addArtifactIndex(
  builder: DataSetBuilder,
  { tag, subject }: ArtifactIndexSettings,
): Descriptor {
  const artifactType = mediaTypes.exampleArtifact1;
  const reference = (): ManifestSettings =>
    subject === undefined ? {} : { subject, annotations: sampleAnnotations() };
  const children = [linuxAmd64, linuxArm64].map((platform) => ({
    ...addArtifact(builder, { artifactType, layerType: artifactType, ...reference() }),
    platform,
  }));
  return builder.addIndexManifest(children, { tag, artifactType, ...reference() });
}

/** A fixed annotation and one of random name. */
export function sampleAnnotations(): Readonly<Record<string, string>> {
  return {
    "org.opencontainers.conformance": "hello conformance test",
    [`org.example.${randomText()}`]: randomText(),
  };
}
