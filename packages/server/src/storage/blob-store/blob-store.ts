import type { Digest } from "@entrepot/oci/digest";

/**
 * Where the bytes of a committed blob lie, as the driver wrote it down: opaque to everybody else, stored in the
 * `blobs` table, at most 255 ASCII characters. Two blobs never share a location and a location is never used again, so
 * deleting one can never hit bytes that were pushed later.
 */
export type BlobLocation = string & { readonly __brand: "BlobLocation" };

/** Names one upload for its whole life: lower-case letters, digits and hyphens, at most 64 characters, unique. */
export type UploadId = string & { readonly __brand: "UploadId" };

/** Throws when the caller may not change the upload any more. */
export type MayChange = () => Promise<void>;

/** What the driver keeps of a store, for `entrepot doctor` and the stray-file check. */
export interface StoredObject {
  readonly kind: "blob" | "upload";
  /** The location of a blob, or the id of an upload. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/**
 * Keeps bytes. It knows no repository, no digest table and no permission: SQL alone says which blob exists. The
 * contract's suite is `blob-store.contract.ts`; every driver and every wrapper passes it.
 *
 * Life of a blob: `openUpload` → `append`… → `sync` → (again, perhaps on another instance) → `commitUpload` → row in SQL
 * → `openBlob`… → row deleted → `deleteBlob`. A crash between any two leaves either an upload that its expiry discards
 * or a location that is written down for deletion.
 *
 * Errors: `AppError` `STORAGE_FULL` when the medium has no room, `BLOB_UNKNOWN` / `BLOB_UPLOAD_UNKNOWN` when the thing is
 * not there; anything else passes as the driver's own error.
 */
export interface BlobStore {
  /**
   * Opens an upload for appending at `offsetBytes`, creating it when `offsetBytes` is 0 and nothing is there. Bytes beyond the
   * offset, left by a broken attempt, are cut off. Throws `BLOB_UPLOAD_UNKNOWN` when fewer than `offsetBytes` bytes are there.
   * One writer at a time per upload: the caller sees to that. `mayChange` is asked between a look and what is changed on account of it, which may be long after: when it
   * throws, nothing is changed, and this throws the same.
   */
  openUpload(id: UploadId, offsetBytes: number, mayChange?: MayChange): Promise<BlobWriter>;
  /** Reads an upload's first `sizeBytes` bytes in order, to hash them again. */
  openUploadForReading(id: UploadId, sizeBytes: number): Promise<BlobReader>;
  /**
   * Turns a synced upload of exactly `sizeBytes` bytes into a blob, durably and without copying where the medium can, and tells
   * where it lies. The caller has verified the digest; the driver may put it in the location's name. May be repeated
   * after a crash with the same arguments and gives the same location. What lies there already is replaced when it is not whole.
   */
  commitUpload(id: UploadId, digest: Digest, sizeBytes: number): Promise<BlobLocation>;
  /** Removes an upload in any state, also one that `commitUpload` moved but SQL never learnt of. Nothing there: no error. `mayChange`: see `openUpload`. */
  discardUpload(id: UploadId, digest?: Digest, mayChange?: MayChange): Promise<void>;
  /** Opens a blob for reading. Throws `BLOB_UNKNOWN` when the location holds nothing. */
  openBlob(location: BlobLocation): Promise<BlobReader>;
  /**
   * Whether all bytes of a blob of that size lie there: asked of the medium anew, whatever this process remembers, and without reading them. False when nothing
   * lies there, or not all of it. Each piece is whole or not there at all on every medium; whether its bytes are the right ones only reading them tells.
   */
  hasWhole(location: BlobLocation, sizeBytes: number): Promise<boolean>;
  /** Deletes a blob's bytes. Nothing there: no error. Readers that are open finish with the right bytes. */
  deleteBlob(location: BlobLocation): Promise<void>;
  /**
   * An address at which a client can read the blob by itself, without credentials, until it expires; undefined where the medium has none or
   * the blob lies in several pieces. Does not promise that the bytes are there.
   */
  signUrl(location: BlobLocation, reply: SignedReply): Promise<string | undefined>;
  /** Everything the medium holds, in no order; what appears or goes meanwhile may or may not be told. */
  list(): AsyncIterable<StoredObject>;
  /** Writes, reads back and deletes a few bytes, to tell whether the medium works. Throws what went wrong. */
  probe(): Promise<void>;
  /** Releases what the driver holds. Uploads and readers that are open are the caller's to close first. */
  close(): Promise<void>;
}

/** How long a signed address is good, and with which headers it answers. */
export interface SignedReply {
  readonly expiresSeconds: number;
  readonly contentType: string;
  readonly cacheControl: string;
}

/** Appends to one upload. After any error the writer is only good for `close`. */
export interface BlobWriter {
  /**
   * Appends the chunks in order. One call at a time. The caller keeps the chunks unchanged until the promise settles; the
   * driver keeps none afterwards.
   */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Returns when everything appended so far survives power loss. What `openUpload` was given as `mayChange` is asked again where others see the bytes only by a last step, or while
   * this goes on: when it throws, they do not, or no longer, and `sync` throws the same.
   */
  sync(): Promise<void>;
  /** Closes; what was not synced may be lost. May be repeated. */
  close(): Promise<void>;
}

/** Reads one blob. Positions may be asked for in any order; ascending order is fast on every driver. */
export interface BlobReader {
  readonly sizeBytes: number;
  /**
   * Fills `buffer` from `position` on and tells how many bytes it got; fewer than asked only at the end of the blob, 0 past it.
   * Calls may overlap on one reader only if the driver says so (`filesystem` and `memory` do).
   */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** An open file descriptor with the blob's bytes from offset 0, where the medium is a local file: lets a sender use sendfile(2). */
  readonly fileDescriptor: number | undefined;
  close(): Promise<void>;
}
