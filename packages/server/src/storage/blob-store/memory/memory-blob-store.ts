import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { BlobLocation, BlobStore, BlobWriter, StoredObject, UploadId } from "../blob-store.ts";
import { readerOf } from "../bytes-reader.ts";
import { checkLocation, checkUploadId, locationOf } from "../names.ts";

interface Entry {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
}

/** Keeps everything in this process; for tests, and for trying things out. What is in it is gone with the process. */
export function createMemoryBlobStore(clock: Clock): BlobStore {
  const uploads = new Map<UploadId, Entry>();
  const blobs = new Map<BlobLocation, Entry>();

  return {
    async openUpload(id, offsetBytes) {
      const before = uploads.get(checkUploadId(id))?.bytes ?? Buffer.alloc(0);
      if (before.byteLength < offsetBytes) throw unknownUpload(id);
      let bytes = before.subarray(0, offsetBytes);
      const store = () => uploads.set(id, { bytes, modifiedAtMs: clock.nowMs() });
      store();
      const writer: BlobWriter = {
        async append(chunks) {
          bytes = Buffer.concat([bytes, ...chunks]);
          store();
        },
        sync: async () => {},
        close: async () => {},
      };
      return writer;
    },
    async openUploadForReading(id, sizeBytes) {
      const entry = uploads.get(checkUploadId(id));
      if (entry === undefined || entry.bytes.byteLength < sizeBytes) throw unknownUpload(id);
      return readerOf(entry.bytes.subarray(0, sizeBytes));
    },
    async commitUpload(id, digest, sizeBytes) {
      const location = locationOf(id, digest);
      if (blobs.get(location)?.bytes.byteLength === sizeBytes) return location;
      const entry = uploads.get(id);
      if (entry === undefined || entry.bytes.byteLength !== sizeBytes) throw unknownUpload(id);
      blobs.set(location, entry);
      uploads.delete(id);
      return location;
    },
    async discardUpload(id, digest) {
      uploads.delete(checkUploadId(id));
      if (digest !== undefined) blobs.delete(locationOf(id, digest));
    },
    async openBlob(location) {
      const entry = blobs.get(checkLocation(location));
      if (entry === undefined) throw new AppError("BLOB_UNKNOWN", "the blob's bytes are not in storage");
      return readerOf(entry.bytes);
    },
    async hasWhole(location, sizeBytes) {
      return blobs.get(checkLocation(location))?.bytes.byteLength === sizeBytes;
    },
    async deleteBlob(location) {
      blobs.delete(checkLocation(location));
    },
    signUrl: async () => undefined,
    async *list() {
      for (const [name, entry] of uploads) yield describe("upload", name, entry);
      for (const [name, entry] of blobs) yield describe("blob", name, entry);
    },
    probe: async () => {},
    close: async () => {},
  };
}

function describe(kind: StoredObject["kind"], name: string, entry: Entry): StoredObject {
  return { kind, name, sizeBytes: entry.bytes.byteLength, modifiedAtMs: entry.modifiedAtMs };
}

function unknownUpload(id: UploadId): AppError {
  return new AppError("BLOB_UPLOAD_UNKNOWN", `the bytes of upload ${id} are not in storage`);
}
