import { type Digest, digestAlgorithm } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { beginHeldUpload } from "./begin-upload.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { closeUpload } from "./complete-upload.ts";
import { holdFresh } from "./hold-upload.ts";
import type { Chunk } from "./write-chunk.ts";

/**
 * Pushes a whole blob in one request. When it fails nothing is left to resume, as the client never learns of an upload.
 * Errors as `completeUpload`.
 */
export async function pushBlob(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly digest: Digest },
  chunk: Chunk,
): Promise<void> {
  const algorithm = digestAlgorithm(target.digest);
  const fresh = await beginHeldUpload(deps, call, { ...target, algorithm });
  const { id } = fresh.upload;
  try {
    await holdFresh(deps, call, fresh, (held) => closeUpload(deps, call, held, target.digest, chunk));
  } catch (error) {
    // The first error is the one to tell; an upload that cannot be dropped now expires.
    await cancelUpload(deps, call, { repository: target.repository, id }).catch((failure: unknown) => {
      call.log.warn({ error: failure, uploadId: id }, "could not drop the upload of a failed push");
    });
    throw error;
  }
}
