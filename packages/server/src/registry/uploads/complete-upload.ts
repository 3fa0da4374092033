import { type Digest, digestAlgorithm, digestHex } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { commitBlob } from "./commit-blob.ts";
import { resumeHash } from "./hash-upload.ts";
import { type HeldUpload, holdUpload } from "./hold-upload.ts";
import { type Chunk, writeChunk } from "./write-chunk.ts";

/**
 * Closes an upload, with an optional last chunk, and makes the blob readable in the repository. Tells its size.
 * `DIGEST_INVALID` when the bytes are not those of `digest`: the upload stays as it was before the request.
 * May be repeated until it succeeds; after that the upload is unknown.
 */
export async function completeUpload(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly digest: Digest },
  lastChunk: Chunk | undefined,
): Promise<number> {
  const hold = { repository: target.repository, id: target.id, committing: target.digest };
  return holdUpload(deps, call, hold, (held) => closeUpload(deps, call, held, target.digest, lastChunk));
}

/** What `completeUpload` does once the upload is held, with this digest. */
export async function closeUpload(
  deps: RegistryDeps,
  call: Call,
  held: HeldUpload,
  digest: Digest,
  lastChunk: Chunk | undefined,
): Promise<number> {
  const { sizeBytes, hex } =
    lastChunk === undefined
      ? await digestOfStored(deps, held, digest)
      : await digestWithChunk(deps, call, held, lastChunk, digest);
  if (hex !== digestHex(digest)) {
    throw new AppError(
      "DIGEST_INVALID",
      `the ${sizeBytes} bytes uploaded have the digest ${digestAlgorithm(digest)}:${hex}, not ${digest}`,
    );
  }
  await commitBlob(deps, held, digest, sizeBytes);
  return sizeBytes;
}

/** Without a body the digest so far, kept with the offset, is the answer: no second read, on any instance. */
async function digestOfStored(
  deps: RegistryDeps,
  held: HeldUpload,
  digest: Digest,
): Promise<{ readonly sizeBytes: number; readonly hex: string }> {
  const { upload } = held;
  const algorithm = digestAlgorithm(digest);
  if (algorithm === upload.algorithm) return { sizeBytes: upload.offsetBytes, hex: upload.digestSoFar };
  const hash = await resumeHash(deps, upload, algorithm, held.signal);
  return { sizeBytes: upload.offsetBytes, hex: hash.digest("hex") };
}

async function digestWithChunk(
  deps: RegistryDeps,
  call: Call,
  held: HeldUpload,
  chunk: Chunk,
  digest: Digest,
): Promise<{ readonly sizeBytes: number; readonly hex: string }> {
  const algorithm = digestAlgorithm(digest);
  const hash = await resumeHash(deps, held.upload, algorithm, held.signal);
  const sizeBytes = await writeChunk(deps, call, held, chunk, { algorithm, hash });
  return { sizeBytes, hex: hash.digest("hex") };
}
