import type { Readable } from "node:stream";
import type { SignedReply } from "../blob-store.ts";

/**
 * The little that an object store must be able to do to keep blobs. Keys are lower-case letters, digits, `-`, `.` and `/`, under 400
 * characters, and a key is never written twice. Everything may be repeated; drivers try passing faults again by themselves.
 *
 * Errors: `AppError` `STORAGE_FULL` when a quota is used up, `UNAVAILABLE` with a sentence for everything else that the service says.
 */
export interface ObjectMedium {
  /** Where the service answers, for a look at its clock; undefined when only the driver's library knows. */
  readonly endpoint: string | undefined;
  /** How large the parts of a large object are. A writer holds two of them at most. */
  readonly partBytes: number;
  /** How many parts an object can have; then a writer begins another object. */
  readonly maxParts: number;
  /** Stores a small object whole; it is durable and readable when this returns. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Begins a large object, which nobody sees until it is completed. */
  begin(key: string): Promise<PartedObject>;
  /** Opens `lengthBytes` bytes from `start` on as a stream that the caller ends or destroys; undefined when there is no such object. */
  get(key: string, start: number, lengthBytes: number): Promise<Readable | undefined>;
  /** A small object, whole; undefined when there is none. */
  getWhole(key: string): Promise<Buffer | undefined>;
  /** Every complete object whose key begins so, in order of the keys. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Deletes objects. Nothing there: no error. */
  delete(keys: readonly string[]): Promise<void>;
  /** Every object whose key begins so that was begun and neither completed nor aborted. Empty where the medium ends those by itself. */
  listUnfinished(prefix: string): AsyncIterable<UnfinishedObject>;
  /** Gives back what an unfinished object takes. Nothing there: no error. */
  abort(unfinished: UnfinishedObject): Promise<void>;
  /** An address at which a client reads the object by itself until it expires; undefined where the medium has none. */
  signUrl(key: string, reply: SignedReply): Promise<string | undefined>;
  close(): Promise<void>;
}

/** A large object that is being written. After any error it is only good for `abort`. */
export interface PartedObject {
  /** Stores a part; parts count from 1, all but the last have `partBytes` bytes. The caller keeps the bytes unchanged meanwhile. */
  writePart(number: number, bytes: Uint8Array): Promise<void>;
  /** Makes the parts one object: when this returns it is durable and readable. */
  complete(): Promise<void>;
  abort(): Promise<void>;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

export interface UnfinishedObject {
  readonly key: string;
  /** How the medium names it besides its key. */
  readonly token: string;
  readonly begunAtMs: number;
}
