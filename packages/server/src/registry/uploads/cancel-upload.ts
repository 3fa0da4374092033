import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { claimMs, holdUpload } from "./hold-upload.ts";
import { claimExpiredUploads, deleteClaimedUpload } from "./upload-store.ts";

/** Ends an upload and drops its bytes. A writer that is still at it is stopped. `BLOB_UPLOAD_UNKNOWN` when there is none. */
export async function cancelUpload(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId },
): Promise<void> {
  await holdUpload(deps, call, target, (held) =>
    dropUpload(deps, held.upload.id, held.claimant, held.upload.committing),
  );
}

/**
 * Drops up to `limit` uploads that nobody has touched for `expiryMs`; tells how many. Any number of instances may do it at once.
 * One that fails is tried again once its claim lapses.
 */
export async function expireUploads(
  deps: RegistryDeps,
  expiry: { readonly expiryMs: number; readonly limit: number },
): Promise<number> {
  const nowMs = deps.clock.nowMs();
  const claimant = `${deps.instanceId}:expiry`;
  const expired = await deps.database.transaction((tx) =>
    claimExpiredUploads(tx, {
      beforeMs: nowMs - expiry.expiryMs,
      claimant,
      nowMs,
      untilMs: nowMs + claimMs,
      limit: expiry.limit,
    }),
  );
  for (const upload of expired) {
    await dropUpload(deps, upload.id, claimant, upload.committing);
  }
  return expired.length;
}

/** Bytes first, row last: a crash in between leaves a row that expires again, never bytes that nobody knows. */
async function dropUpload(
  deps: RegistryDeps,
  id: UploadId,
  claimant: string,
  committing: Digest | undefined,
): Promise<void> {
  await deps.blobs.discardUpload(id, committing);
  await deps.database.transaction((tx) => deleteClaimedUpload(tx, id, claimant));
}
