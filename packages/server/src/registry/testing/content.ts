import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { type Digest, type DigestAlgorithm, makeDigest } from "@entrepot/oci/digest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseReference } from "@entrepot/oci/reference";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { parseTagName, type TagName } from "@entrepot/oci/tag-name";
import type { Actor } from "../../access/actor.ts";
import { getLinkedBlob, openLinkedBlob } from "../blobs/open-linked-blob.ts";
import { type PutManifest, putManifest } from "../manifests/put-manifest.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { pushBlob } from "../uploads/push-blob.ts";
import type { Chunk } from "../uploads/write-chunk.ts";
import type { TestRegistry } from "./open-test-registry.ts";

export function repositoryName(text: string): RepositoryName {
  return parseRepositoryName(text);
}

export function tagName(text: string): TagName {
  return parseTagName(text);
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text);
}

export function hexOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return makeDigest(algorithm, hexOf(Buffer.from(bytes), algorithm));
}

/** A body as a request streams it, with or without Content-Range. */
export function chunkOf(bytes: Uint8Array, start?: number): Chunk {
  const range = start === undefined ? undefined : { start, end: start + bytes.byteLength - 1 };
  return { body: Readable.from(bytes.byteLength === 0 ? [] : [bytes], { objectMode: false }), range };
}

/** A body of which `bytes` arrive; then the connection breaks. */
export function brokenBody(bytes: Uint8Array): Readable {
  return Readable.from(
    (async function* () {
      yield bytes;
      throw new Error("connection reset");
    })(),
    { objectMode: false },
  );
}

/** Pushes a blob in one request and tells its digest. */
export async function push(
  registry: TestRegistry,
  repository: RepositoryName,
  text: string,
  actor?: Actor,
): Promise<Digest> {
  const bytes = bytesOf(text);
  const digest = digestOf(bytes);
  const call = registry.call(actor === undefined ? {} : { actor });
  await pushBlob(registry.deps, call, { repository, digest }, chunkOf(bytes));
  return digest;
}

export interface ManifestText {
  readonly config?: string;
  readonly layers?: readonly string[];
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image manifest whose config and layers are blobs with those texts. */
export function imageBytes(image: ManifestText): Buffer {
  const blob = (mediaType: string) => (text: string) => ({
    mediaType,
    digest: digestOf(text),
    size: Buffer.byteLength(text),
  });
  return bytesOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: blob(mediaTypes.imageConfig)(image.config ?? "{}"),
      layers: (image.layers ?? []).map(blob(mediaTypes.layerTar)),
      ...(image.subject === undefined
        ? {}
        : { subject: { mediaType: mediaTypes.imageManifest, digest: image.subject, size: 2 } }),
      ...(image.artifactType === undefined ? {} : { artifactType: image.artifactType }),
      ...(image.annotations === undefined ? {} : { annotations: image.annotations }),
    }),
  );
}

/** An index that lists those manifests. */
export function indexBytes(children: readonly Digest[]): Buffer {
  return bytesOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.imageIndex,
      manifests: children.map((digest) => ({ mediaType: mediaTypes.imageManifest, digest, size: 2 })),
    }),
  );
}

/** Puts a manifest by its digest, with any number of tags. */
export function put(
  registry: TestRegistry,
  repository: RepositoryName,
  body: Uint8Array,
  tags: readonly string[] = [],
): Promise<PutManifest> {
  return putManifest(registry.deps, registry.call(), {
    repository,
    reference: parseReference(digestOf(body)),
    tags: tags.map(parseTagName),
    contentType: "",
    body,
  });
}

/** Pushes the blobs of an image and the image; tells the manifest's digest. */
export async function pushImage(
  registry: TestRegistry,
  repository: RepositoryName,
  image: ManifestText,
  tags: readonly string[] = [],
): Promise<Digest> {
  for (const text of [image.config ?? "{}", ...(image.layers ?? [])]) await push(registry, repository, text);
  return (await put(registry, repository, imageBytes(image), tags)).digest;
}

/** The whole text of a blob as a pull reads it. */
export async function readBlob(
  deps: RegistryDeps,
  repository: RepositoryName,
  digest: Digest,
): Promise<string> {
  const reader = await openLinkedBlob(deps, await getLinkedBlob(deps, repository, digest));
  try {
    const bytes = Buffer.alloc(reader.sizeBytes);
    const got = await reader.read(bytes, 0);
    return bytes.subarray(0, got).toString();
  } finally {
    await reader.close();
  }
}

/** What the store holds, as "blob …" and "upload …" lines. */
export async function storedObjects(registry: TestRegistry): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { kind, name } of registry.blobs.list()) found.push(`${kind} ${name}`);
  return found.sort();
}
