import { Buffer } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** Digest of the subject, if any. */
  readonly subject: string | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: unknown;
}

export interface Repository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  /** Tag name to digest. */
  readonly tags: Map<string, string>;
  readonly uploads: Map<string, Buffer>;
}

/** Everything a registry holds, in memory. */
export class ContentStore {
  readonly #repositories = new Map<string, Repository>();

  /** Repositories come into being when they are first asked for. */
  repository(name: string): Repository {
    const found = this.#repositories.get(name);
    if (found !== undefined) return found;
    const created = { blobs: new Map(), manifests: new Map(), tags: new Map(), uploads: new Map() };
    this.#repositories.set(name, created);
    return created;
  }

  /** Finds a blob in the named repository, or in any repository when no name is given. */
  findBlob(digest: string, from: string | undefined): Buffer | undefined {
    if (from !== undefined) return this.#repositories.get(from)?.blobs.get(digest);
    return [...this.#repositories.values()]
      .map(({ blobs }) => blobs.get(digest))
      .find((bytes) => bytes !== undefined);
  }
}

export function openUpload(repository: Repository): string {
  const id = randomUUID();
  repository.uploads.set(id, Buffer.alloc(0));
  return id;
}

/** True for a digest in the form and with an algorithm that the registry takes. */
export function isDigest(text: string): boolean {
  return /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/.test(text);
}

/** True when the digest is one and covers exactly these bytes. */
export function covers(digest: string, bytes: Buffer): boolean {
  if (!isDigest(digest)) return false;
  const [algorithm = "", hex] = digest.split(":");
  return createHash(algorithm).update(bytes).digest("hex") === hex;
}
