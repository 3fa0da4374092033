import type { DigestAlgorithm } from "../content-digest.ts";
import { digestAlgorithms } from "../content-digest.ts";

/** Bytes and the digest they are pushed by (which is wrong on purpose in the bad-digest cases). */
export interface Content {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** An OCI descriptor as it stands in a manifest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly data?: string;
  readonly urls?: readonly string[];
  readonly platform?: Platform;
}

/** A referrer as the referrers API must show it. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** The manifest's own type, else its config's media type; empty for an index that has none. */
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Manifest extends Content {
  readonly mediaType: string;
  /** Digest of the subject, which may not exist. */
  readonly subject: string | undefined;
}

export interface Tag {
  readonly name: string;
  readonly digest: string;
}

/** Content that is pushed, listed, read and deleted as a whole. */
export interface DataSet {
  readonly name: string;
  readonly blobs: readonly Content[];
  /** Children before parents, subjects before referrers; deleted in reverse. */
  readonly manifests: readonly Manifest[];
  readonly tags: readonly Tag[];
  /** By digest of the subject. */
  readonly referrers: ReadonlyMap<string, readonly Referrer[]>;
  /** Tags travel as `tag=` parameters of the push by digest (draft, end-7b). */
  readonly pushesTagsByParameter: boolean;
  /** The manifests do not match their digests: they must be refused, and cannot be read. */
  readonly hasWrongDigests: boolean;
}

/** The algorithm of a digest made by this suite. Throws a plain `Error` for any other. */
export function algorithmOf(digest: string): DigestAlgorithm {
  const algorithm = digestAlgorithms.find((name) => digest.startsWith(`${name}:`));
  if (algorithm === undefined) throw new Error(`${digest} has no known algorithm`);
  return algorithm;
}
