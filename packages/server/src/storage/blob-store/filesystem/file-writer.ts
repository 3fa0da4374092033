import type { FileHandle } from "node:fs/promises";
import type { BlobWriter } from "../blob-store.ts";
import { translate } from "./file-error.ts";

// IOV_MAX on Linux: writev(2) takes no more buffers at once.
const maxBuffers = 1_024;
/** So much may be written before the disk is told to begin with it. */
const flushBytes = 8_388_608;

/**
 * Appends to an open file from `offsetBytes` on, one writev for a call; keeps nothing back. Flushes what is written beside what still comes, so that
 * little is left for `sync` to wait for.
 */
export function createFileWriter(handle: FileHandle, offsetBytes: number): BlobWriter {
  let position = offsetBytes;
  let closed = false;
  let unflushedBytes = 0;
  let flushing: Promise<void> | undefined;
  // The kernel tells of a failed flush once: it must not get lost.
  let flushFailure: { readonly error: unknown } | undefined;

  function flushBeside(bytes: number): void {
    unflushedBytes += bytes;
    if (unflushedBytes < flushBytes || flushing !== undefined) return;
    unflushedBytes = 0;
    flushing = handle
      .datasync()
      .catch((error: unknown) => {
        flushFailure ??= { error };
      })
      .finally(() => {
        flushing = undefined;
      });
  }

  async function writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.byteLength > 0);
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest.slice(0, maxBuffers), position);
      position += bytesWritten;
      flushBeside(bytesWritten);
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
        await flushing;
        // fdatasync(2) flushes the bytes and the size; times do not matter here.
        await handle.datasync();
        if (flushFailure !== undefined) throw flushFailure.error;
      } catch (error) {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await flushing;
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
