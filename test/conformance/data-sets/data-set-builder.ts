import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { DigestAlgorithm } from "../content-digest.ts";
import { contentDigest } from "../content-digest.ts";
import { mediaTypes } from "../media-types.ts";
import { buildTar } from "./build-tar.ts";
import type { Content, DataSet, Descriptor, Manifest, Platform, Referrer, Tag } from "./data-set.ts";

export interface DataSetSettings {
  /** For everything in the set. Default: sha256. */
  readonly algorithm?: DigestAlgorithm;
  /** Carry the content itself in the descriptors of configs and layers. */
  readonly hasDataFields?: boolean;
  /** Add an unknown field of random name to every config and manifest. */
  readonly hasCustomFields?: boolean;
}

/** What any manifest may have. */
export interface ManifestSettings {
  readonly tag?: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer is described by the digest of what is pushed; the config lists the digest of the plain archive. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

/**
 * Collects blobs, manifests and tags. Content that is added twice is kept once, as in a registry. All content holds random
 * parts, so that a run never meets what an earlier run has left behind.
 */
export class DataSetBuilder {
  readonly #name: string;
  readonly #algorithm: DigestAlgorithm;
  readonly #settings: DataSetSettings;
  readonly #luckyNumber = randomText();
  readonly #blobs = new Map<string, Content>();
  readonly #manifests = new Map<string, Manifest>();
  readonly #tags = new Map<string, Tag>();
  readonly #referrers = new Map<string, Referrer[]>();

  constructor(name: string, settings: DataSetSettings = {}) {
    this.#name = name;
    this.#algorithm = settings.algorithm ?? "sha256";
    this.#settings = settings;
  }

  addBlob(mediaType: string, bytes: Uint8Array): Descriptor {
    const digest = contentDigest(this.#algorithm, bytes);
    this.#blobs.set(digest, { digest, bytes });
    const data = this.#settings.hasDataFields ? { data: Buffer.from(bytes).toString("base64") } : {};
    return { mediaType, digest, size: bytes.length, ...data };
  }

  /**
   * Adds a layer with one text file. Layers of the same number hold the same file, so images for the same platform share
   * their config; compressed layers differ all the same, because each has a random time stamp in its gzip header.
   */
  addLayer(number: number, format: "gzip" | "plain" = "gzip"): Layer {
    const archive = this.#layerArchive(number);
    const descriptor =
      format === "plain"
        ? this.addBlob(mediaTypes.layerTar, archive)
        : this.addBlob(mediaTypes.layerTarGzip, gzipWithRandomTime(archive));
    return { descriptor, diffId: contentDigest(this.#algorithm, archive) };
  }

  addConfig(platform: Platform, diffIds: readonly string[]): Descriptor {
    const config = {
      author: "Entrepôt conformance suite",
      ...platform,
      rootfs: { type: "layers", diff_ids: diffIds },
      ...this.#customField(),
    };
    return this.addBlob(mediaTypes.imageConfig, encodeJson(config));
  }

  addImageManifest(
    config: Descriptor,
    layers: readonly Descriptor[],
    settings: ManifestSettings = {},
  ): Descriptor {
    return this.#addManifest(mediaTypes.imageManifest, { config, layers }, settings, config.mediaType);
  }

  addIndexManifest(manifests: readonly Descriptor[], settings: ManifestSettings = {}): Descriptor {
    return this.#addManifest(mediaTypes.imageIndex, { manifests }, settings, "");
  }

  addTag(name: string, digest: string): void {
    this.#tags.set(name, { name, digest });
  }

  /** Takes back a blob that was added: manifests go on naming it, but it is never pushed. */
  withholdBlob(digest: string): void {
    this.#blobs.delete(digest);
  }

  get manifests(): readonly Manifest[] {
    return [...this.#manifests.values()];
  }

  build(options: { readonly pushesTagsByParameter?: boolean } = {}): DataSet {
    return {
      name: this.#name,
      blobs: [...this.#blobs.values()],
      manifests: this.manifests,
      tags: [...this.#tags.values()],
      referrers: this.#referrers,
      pushesTagsByParameter: options.pushesTagsByParameter ?? false,
      hasWrongDigests: false,
    };
  }

  #addManifest(
    mediaType: string,
    content: Readonly<Record<string, unknown>>,
    settings: ManifestSettings,
    fallbackType: string,
  ): Descriptor {
    const { tag, subject, artifactType, annotations } = settings;
    const fields = { schemaVersion: 2, mediaType, artifactType, ...content, subject, annotations };
    const bytes = encodeJson({ ...fields, ...this.#customField() });
    const digest = contentDigest(this.#algorithm, bytes);
    this.#manifests.set(digest, { digest, bytes, mediaType, subject: subject?.digest });
    if (tag !== undefined) this.addTag(tag, digest);
    if (subject !== undefined) {
      const type = artifactType ?? fallbackType;
      const referrer = {
        mediaType,
        digest,
        size: bytes.length,
        artifactType: type,
        annotations: annotations ?? {},
      };
      this.#referrers.set(subject.digest, [...(this.#referrers.get(subject.digest) ?? []), referrer]);
    }
    return { mediaType, digest, size: bytes.length };
  }

  #layerArchive(number: number): Uint8Array {
    const text = `Conformance test file ${number}. Today's lucky number is ${this.#luckyNumber}.\n`;
    return buildTar(`./conformance-${number}.txt`, text);
  }

  #customField(): Readonly<Record<string, string>> {
    return this.#settings.hasCustomFields ? { [`org.${randomText()}`]: randomText() } : {};
  }
}

/** Sixteen random letters and digits. */
export function randomText(): string {
  return randomBytes(8).toString("hex");
}

/** RFC 1952: bytes 4 to 7 of a gzip file are a time stamp that decoders ignore and no checksum covers. */
function gzipWithRandomTime(bytes: Uint8Array): Uint8Array {
  const compressed = gzipSync(bytes);
  randomBytes(4).copy(compressed, 4);
  return compressed;
}

/**
 * Fields that are undefined are left out. The indentation is there so that a registry that parses and writes manifests
 * anew, instead of keeping the bytes, cannot go unnoticed.
 */
function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, undefined, 2), "utf8");
}
