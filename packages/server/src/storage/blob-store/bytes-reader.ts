import type { BlobReader } from "./blob-store.ts";

/** A reader over bytes in memory; reads may overlap. */
export function readerOf(bytes: Uint8Array): BlobReader {
  return {
    sizeBytes: bytes.byteLength,
    fileDescriptor: undefined,
    read: async (buffer, position) => {
      const part = bytes.subarray(position, position + buffer.byteLength);
      buffer.set(part);
      return part.byteLength;
    },
    close: async () => {},
  };
}
