import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { holdUpload } from "./hold-upload.ts";
import { claimMs } from "./keep-claim.ts";
import { claimExpiredUploads, deleteClaimedUpload } from "./upload-store.ts";

/** Ends an upload and drops its bytes. A writer that is still at it is stopped. `BLOB_UPLOAD_UNKNOWN` when there is none. */
export async function cancelUpload(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId },
): Promise<void> {
  await holdUpload(deps, call, target, async (held) => {
    await held.ensureHeld();
    await dropUpload(deps, held.upload.id, held.claimant, held.upload.committing);
    held.claimEnded();
  });
}

/**
 * Drops up to `limit` uploads that nobody has touched for `expiryMs`; tells how many. Any number of instances may do it at once.
 * One that fails is tried again once its claim lapses.
 */
export async function expireUploads(
  deps: RegistryDeps,
  expiry: { readonly expiryMs: number; readonly limit: number },
): Promise<number> {
  const claimant = `${deps.instanceId}:expiry`;
  const cutoffMs = deps.clock.nowMs() - expiry.expiryMs;
  const errors: unknown[] = [];
  for (let seen = 0; seen < expiry.limit; seen++) {
    // Each is claimed just before it goes: a claim on many would lapse while the first are dropped, and a client may come back.
    const { claimClock } = deps;
    const [upload] = await deps.database.transaction((tx) =>
      claimExpiredUploads(tx, { beforeMs: cutoffMs, claimant, forMs: claimMs, claimClock, limit: 1 }),
    );
    if (upload === undefined) {
      if (errors.length > 0) throw errors[0];
      return seen;
    }
    // One whose storage region does not answer holds up no other.
    await dropUpload(deps, upload.id, claimant, upload.committing).catch((error: unknown) => {
      errors.push(error);
    });
  }
  if (errors.length > 0) throw errors[0];
  return expiry.limit;
}

/** Bytes first, row last: a crash in between leaves a row that expires again, never bytes that nobody knows. */
async function dropUpload(
  deps: RegistryDeps,
  id: UploadId,
  claimant: string,
  committing: Digest | undefined,
): Promise<void> {
  await deps.blobs.discardUpload(id, committing);
  await deps.database.transaction((tx) => commitTogether(tx, [deleteClaimedUpload(tx, id, claimant)]));
}
