import type { FileHandle } from "node:fs/promises";
import type { BlobWriter } from "../blob-store.ts";
import { translate } from "./file-error.ts";

// IOV_MAX on Linux: writev(2) takes no more buffers at once.
const maxBuffers = 1_024;

/** Appends to an open file from `offsetBytes` on, one writev for a call; keeps nothing back. */
export function createFileWriter(handle: FileHandle, offsetBytes: number): BlobWriter {
  let position = offsetBytes;
  let closed = false;

  async function writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.byteLength > 0);
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest.slice(0, maxBuffers), position);
      position += bytesWritten;
      rest = dropBytes(rest, bytesWritten);
    }
  }

  return {
    async append(chunks) {
      try {
        await writeAll(chunks);
      } catch (error) {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      }
    },
    async sync() {
      try {
        // fdatasync(2) flushes the bytes and the size; times do not matter here.
        await handle.datasync();
      } catch (error) {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

/** What is left to write after a write that may have ended in the middle of a chunk. */
function dropBytes(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.byteLength) return [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.byteLength;
  }
  return [];
}
