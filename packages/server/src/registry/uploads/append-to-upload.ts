import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { resumeHash } from "./hash-upload.ts";
import { holdUpload } from "./hold-upload.ts";
import { type Chunk, recordChunk, writeChunk } from "./write-chunk.ts";

/** Appends one chunk and tells the upload's size; once it returns, the bytes survive a power failure. Errors: see `writeChunk`, `holdUpload`. */
export async function appendToUpload(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId },
  chunk: Chunk,
): Promise<number> {
  return holdUpload(deps, call, target, async (held) => {
    const { algorithm } = held.upload;
    const running = { algorithm, hash: await resumeHash(deps, held.upload, algorithm, held.signal) };
    const sizeBytes = await writeChunk(deps, call, held, chunk, running);
    await recordChunk(deps, held, running, sizeBytes);
    return sizeBytes;
  });
}
