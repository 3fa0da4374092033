import { createHash, type Hash } from "node:crypto";
import type { DigestAlgorithm } from "@entrepot/oci/digest";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import type { Upload } from "./upload-store.ts";

const readBytes = 1_048_576;

/**
 * A hash over the upload's bytes so far, ready for more. Taken from memory when this process has hashed all of them; else the
 * bytes are read again: after a restart, a change of instance, or when the closing digest is of another algorithm.
 */
export async function resumeHash(
  deps: RegistryDeps,
  upload: Upload,
  algorithm: DigestAlgorithm,
  signal: AbortSignal,
): Promise<Hash> {
  if (upload.offsetBytes === 0) return createHash(algorithm);
  const kept =
    upload.algorithm === algorithm ? deps.sessions.takeHash(upload.id, upload.offsetBytes) : undefined;
  return kept ?? hashStoredBytes(deps, upload.id, upload.offsetBytes, algorithm, signal);
}

async function hashStoredBytes(
  deps: RegistryDeps,
  id: UploadId,
  sizeBytes: number,
  algorithm: DigestAlgorithm,
  signal: AbortSignal,
): Promise<Hash> {
  const hash = createHash(algorithm);
  const reader = await deps.blobs.openUploadForReading(id, sizeBytes);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, sizeBytes));
    for (let position = 0; position < sizeBytes; ) {
      signal.throwIfAborted();
      const wanted = buffer.subarray(0, Math.min(buffer.byteLength, sizeBytes - position));
      const got = await reader.read(wanted, position);
      if (got === 0) throw new Error(`upload ${id} ends after ${position} of ${sizeBytes} bytes`);
      hash.update(wanted.subarray(0, got));
      position += got;
    }
  } finally {
    await reader.close();
  }
  return hash;
}
