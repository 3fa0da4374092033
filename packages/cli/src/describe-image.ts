import { hasDigest } from "@entrepot/client/content-hash";
import { platformText } from "@entrepot/client/copy-plan";
import type { FetchedManifest } from "@entrepot/client/manifests";
import type { RegistryClient } from "@entrepot/client/registry-client";
import type { Descriptor } from "@entrepot/oci/descriptor";
import { formatImageReference, type ImageReference } from "@entrepot/oci/image-reference";
import { isObject } from "@entrepot/oci/json-object";
import { type ParsedManifest, parseManifest } from "@entrepot/oci/manifest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { collect } from "./collect.ts";
import { formatBytes, formatTable } from "./format-text.ts";
import { referenceOf } from "./image-argument.ts";

/** A manifest with its image configuration, if it has one. */
export interface ReadImage {
  readonly manifest: FetchedManifest;
  readonly parsed: ParsedManifest;
  readonly configBytes: Buffer | undefined;
}

/** What `inspect` shows. */
export interface ImageDescription {
  readonly json: Readonly<Record<string, unknown>>;
  lines(emphasize: (text: string) => string): readonly string[];
}

/** Of what an image configuration is; larger ones are no configuration that a person reads. */
const configLimitBytes = 8_388_608;

/** Reads a manifest, and the configuration of an image; that of an artifact is not one. */
export async function readImage(
  client: RegistryClient,
  image: ImageReference,
  signal: AbortSignal,
): Promise<ReadImage> {
  const { repository } = image;
  const manifest = await client.getManifest({ repository, reference: referenceOf(image), signal });
  const parsed = parseManifest(manifest.bytes, manifest.mediaType);
  const { config } = parsed;
  const isImage =
    config !== undefined &&
    [mediaTypes.imageConfig, mediaTypes.dockerConfig].some((type) => type === config.mediaType);
  if (!isImage || config.size > configLimitBytes) return { manifest, parsed, configBytes: undefined };
  const { chunks } = await client.getBlob({ repository, digest: config.digest, signal });
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > configLimitBytes)
      throw new Error(`the configuration ${config.digest} is longer than it says`);
    parts.push(chunk);
  }
  const configBytes = Buffer.concat(parts);
  if (!hasDigest(configBytes, config.digest))
    throw new Error(`the configuration ${config.digest} is something else`);
  return { manifest, parsed, configBytes };
}

/** Puts together what is known of an image; asks for its referrers besides. */
export async function describeImage(
  client: RegistryClient,
  image: ImageReference,
  known: ReadImage,
  signal: AbortSignal,
): Promise<ImageDescription> {
  const { manifest, parsed } = known;
  const { repository } = image;
  const referrers = await collect(client.listReferrers({ repository, subject: manifest.digest, signal }));
  const config = readConfig(known.configBytes);
  const json = {
    image: formatImageReference(image),
    digest: manifest.digest,
    mediaType: manifest.mediaType,
    sizeBytes: manifest.bytes.byteLength,
    ...(parsed.artifactType !== undefined && { artifactType: parsed.artifactType }),
    ...config,
    ...(parsed.kind === "index"
      ? { manifests: parsed.manifests.map(describeEntry) }
      : { config: parsed.config, layers: parsed.layers.map(describeEntry), totalBytes: totalBytes(parsed) }),
    ...(parsed.subject !== undefined && { subject: parsed.subject.digest }),
    annotations: parsed.annotations,
    referrers: referrers.map(describeEntry),
  };
  return {
    json,
    lines: (emphasize) => [
      emphasize(json.image),
      ...formatTable([
        ["digest", manifest.digest],
        ["type", manifest.mediaType],
        ...(parsed.artifactType === undefined ? [] : [["artifact", parsed.artifactType]]),
        ...Object.entries(config).map(([name, value]) => [name, value]),
        ...(parsed.kind === "image" ? [["size", formatBytes(totalBytes(parsed))]] : []),
        ...(parsed.subject === undefined ? [] : [["subject", parsed.subject.digest]]),
      ]),
      ...section(emphasize("manifests"), parsed.manifests),
      ...section(emphasize("layers"), parsed.layers),
      ...annotationLines(emphasize("annotations"), parsed.annotations),
      ...section(emphasize("referrers"), referrers),
    ],
  };
}

function totalBytes(parsed: ParsedManifest): number {
  return parsed.layers.reduce((sum, { size }) => sum + size, parsed.config?.size ?? 0);
}

function describeEntry(entry: Descriptor): Readonly<Record<string, unknown>> {
  const { digest, mediaType, size, artifactType, annotations } = entry;
  const platform = platformText(entry);
  return {
    digest,
    mediaType,
    sizeBytes: size,
    ...(platform !== undefined && { platform }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

function section(title: string, entries: readonly Descriptor[]): readonly string[] {
  if (entries.length === 0) return [];
  const rows = entries.map((entry) => [
    `  ${entry.digest}`,
    formatBytes(entry.size),
    platformText(entry) ?? entry.artifactType ?? entry.mediaType,
  ]);
  return [title, ...formatTable(rows)];
}

function annotationLines(title: string, annotations: Readonly<Record<string, string>>): readonly string[] {
  const rows = Object.entries(annotations).map(([name, value]) => [`  ${name}`, value]);
  return rows.length === 0 ? [] : [title, ...formatTable(rows)];
}

/** Platform and time from an image configuration; empty when there is none or it is not JSON. */
function readConfig(bytes: Buffer | undefined): Readonly<Record<string, string>> {
  if (bytes === undefined) return {};
  let config: unknown;
  try {
    config = JSON.parse(bytes.toString("utf8"));
  } catch {
    return {};
  }
  if (!isObject(config)) return {};
  const { os, architecture, created } = config;
  return {
    ...(typeof os === "string" && typeof architecture === "string" && { platform: `${os}/${architecture}` }),
    ...(typeof created === "string" && { created }),
  };
}
