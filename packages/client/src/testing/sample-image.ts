import { randomBytes } from "node:crypto";
import type { Digest } from "@entrepot/oci/digest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { parseTagName } from "@entrepot/oci/tag-name";
import type { BlobSource } from "../blob-upload.ts";
import { digestOf } from "../content-hash.ts";
import type { RegistryClient } from "../registry-client.ts";

/** Bytes as a source; `opens` collects the offsets it was opened at. */
export function sourceOf(bytes: Uint8Array, opens: number[] = []): BlobSource {
  return {
    digest: digestOf(bytes),
    sizeBytes: bytes.byteLength,
    async *open(fromByte) {
      opens.push(fromByte);
      // Small pieces, so that a cut falls between some of them.
      for (let start = fromByte; start < bytes.byteLength; start += 16_384) {
        yield bytes.subarray(start, Math.min(start + 16_384, bytes.byteLength));
      }
    },
  };
}

/** A manifest that was pushed. */
export interface PushedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

async function pushBlob(client: RegistryClient, name: string, bytes: Uint8Array, mediaType: string) {
  const repository = parseRepositoryName(name);
  await client.uploadBlob(sourceOf(bytes), { repository });
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

export async function pushJson(
  client: RegistryClient,
  name: string,
  json: { readonly mediaType: string } & Readonly<Record<string, unknown>>,
  tags: readonly string[],
): Promise<PushedManifest> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...json }));
  const digest = digestOf(bytes);
  const { mediaType } = json;
  const repository = parseRepositoryName(name);
  await client.putManifest({ repository, mediaType, bytes, digest, tags: tags.map(parseTagName) });
  return { digest, mediaType, size: bytes.byteLength };
}

/** Pushes an image with random layers of the given sizes. */
export async function pushSampleImage(
  client: RegistryClient,
  name: string,
  tags: readonly string[],
  layerBytes: readonly number[],
  architecture = "amd64",
): Promise<PushedManifest> {
  const configBytes = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture,
      created: "2026-01-02T03:04:05Z",
      salt: randomBytes(8).toString("hex"),
    }),
  );
  const config = await pushBlob(client, name, configBytes, mediaTypes.imageConfig);
  const layers = [];
  for (const size of layerBytes) {
    layers.push(await pushBlob(client, name, randomBytes(size), mediaTypes.layerTarGzip));
  }
  return pushJson(client, name, { mediaType: mediaTypes.imageManifest, config, layers }, tags);
}

/** Pushes an artifact that refers to a subject. */
export async function pushReferrer(
  client: RegistryClient,
  name: string,
  subject: PushedManifest,
  artifactType: string,
): Promise<PushedManifest> {
  const config = await pushBlob(client, name, Buffer.from("{}"), mediaTypes.emptyConfig);
  const layers = [await pushBlob(client, name, randomBytes(100), "application/octet-stream")];
  return pushJson(
    client,
    name,
    { mediaType: mediaTypes.imageManifest, artifactType, config, layers, subject },
    [],
  );
}
