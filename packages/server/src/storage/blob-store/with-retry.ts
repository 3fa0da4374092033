import { AppError } from "../../lib/app-error.ts";
import type { BlobStore } from "./blob-store.ts";

export interface RetryOptions {
  readonly attempts: number;
  /** Waits before attempt `next` (2, 3, …); injected, so that tests do not sleep. */
  readonly pause: (next: number) => Promise<void>;
  readonly onRetry: (operation: string, error: unknown) => void;
}

/** Codes for which trying again at once cannot help. */
const finalCodes: ReadonlySet<string> = new Set([
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_UNKNOWN",
  "STORAGE_FULL",
  "CONFLICT",
]);

/**
 * Tries again what may be repeated without harm: opening, committing, discarding and deleting. Appending may not: nobody knows how much arrived, so
 * the client resumes. What says that a thing is not there, or that the medium is full, is final.
 */
export function withRetry(store: BlobStore, options: RetryOptions): BlobStore {
  async function retry<T>(operation: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const isFinal = error instanceof AppError && finalCodes.has(error.code);
        if (isFinal || attempt >= options.attempts) throw error;
        options.onRetry(operation, error);
        await options.pause(attempt + 1);
      }
    }
  }
  return {
    openUpload: (id, offset, mayChange) => retry("openUpload", () => store.openUpload(id, offset, mayChange)),
    openUploadForReading: (id, size) =>
      retry("openUploadForReading", () => store.openUploadForReading(id, size)),
    commitUpload: (id, digest, size) => retry("commitUpload", () => store.commitUpload(id, digest, size)),
    discardUpload: (id, digest, mayChange) =>
      retry("discardUpload", () => store.discardUpload(id, digest, mayChange)),
    openBlob: (location) => retry("openBlob", () => store.openBlob(location)),
    hasWhole: (location, size) => retry("hasWhole", () => store.hasWhole(location, size)),
    deleteBlob: (location) => retry("deleteBlob", () => store.deleteBlob(location)),
    signUrl: (location, reply) => retry("signUrl", () => store.signUrl(location, reply)),
    list: () => store.list(),
    probe: () => store.probe(),
    close: () => store.close(),
  };
}
