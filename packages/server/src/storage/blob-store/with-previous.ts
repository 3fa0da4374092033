import { AppError, type AppErrorCode } from "../../lib/app-error.ts";
import type { BlobStore } from "./blob-store.ts";

/**
 * A store that is taking over from another: what is new goes to `store`, what is not there is looked for in `previous`. Uploads end where they began. Locations
 * are never used twice, so the same one in both is the same content. Same contract.
 */
export function withPrevious(store: BlobStore, previous: BlobStore): BlobStore {
  /** The second only when the first does not have it; then the first's own error if the second has not, either. */
  async function either<T>(
    code: AppErrorCode,
    first: () => Promise<T>,
    second: () => Promise<T>,
  ): Promise<T> {
    try {
      return await first();
    } catch (error) {
      if (!isCode(error, code)) throw error;
      try {
        return await second();
      } catch (other) {
        throw isCode(other, code) ? error : other;
      }
    }
  }
  async function isHere(location: Parameters<BlobStore["openBlob"]>[0]): Promise<boolean> {
    try {
      await (await store.openBlob(location)).close();
      return true;
    } catch (error) {
      if (isCode(error, "BLOB_UNKNOWN")) return false;
      throw error;
    }
  }
  return {
    openUpload: (id, offsetBytes, mayChange) =>
      offsetBytes === 0
        ? store.openUpload(id, 0, mayChange)
        : either(
            "BLOB_UPLOAD_UNKNOWN",
            () => store.openUpload(id, offsetBytes, mayChange),
            () => previous.openUpload(id, offsetBytes, mayChange),
          ),
    openUploadForReading: (id, sizeBytes) =>
      either(
        "BLOB_UPLOAD_UNKNOWN",
        () => store.openUploadForReading(id, sizeBytes),
        () => previous.openUploadForReading(id, sizeBytes),
      ),
    commitUpload: (id, digest, sizeBytes) =>
      either(
        "BLOB_UPLOAD_UNKNOWN",
        () => store.commitUpload(id, digest, sizeBytes),
        () => previous.commitUpload(id, digest, sizeBytes),
      ),
    async discardUpload(id, digest, mayChange) {
      await store.discardUpload(id, digest, mayChange);
      await previous.discardUpload(id, digest, mayChange);
    },
    openBlob: (location) =>
      either(
        "BLOB_UNKNOWN",
        () => store.openBlob(location),
        () => previous.openBlob(location),
      ),
    hasWhole: async (location, sizeBytes) =>
      (await store.hasWhole(location, sizeBytes)) || previous.hasWhole(location, sizeBytes),
    async deleteBlob(location) {
      await store.deleteBlob(location);
      await previous.deleteBlob(location);
    },
    signUrl: async (location, reply) =>
      (await isHere(location)) ? store.signUrl(location, reply) : previous.signUrl(location, reply),
    async *list() {
      yield* store.list();
      yield* previous.list();
    },
    async probe() {
      await store.probe();
      await previous.probe();
    },
    async close() {
      await store.close();
      await previous.close();
    },
  };
}

function isCode(error: unknown, code: AppErrorCode): boolean {
  return error instanceof AppError && error.code === code;
}
