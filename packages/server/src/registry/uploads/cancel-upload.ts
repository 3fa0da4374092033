import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { type HeldUpload, holdUpload } from "./hold-upload.ts";
import { claimMs, keepClaim, momentNow } from "./keep-claim.ts";
import { claimExpiredUploads, deleteClaimedUpload, type Upload } from "./upload-store.ts";

/** Ends an upload and drops its bytes. A writer that is still at it is stopped. `BLOB_UPLOAD_UNKNOWN` when there is none. */
export async function cancelUpload(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId },
): Promise<void> {
  await holdUpload(deps, call, target, async (held) => {
    await dropUpload(deps, held.upload, held);
    held.claimEnded();
  });
}

/**
 * Drops up to `limit` uploads that nobody has touched for `expiryMs`; tells how many. Any number of instances may do it at once.
 * One that fails is tried again once its claim lapses; one that a client has taken over meanwhile is left alone.
 */
export async function expireUploads(
  deps: RegistryDeps,
  expiry: { readonly expiryMs: number; readonly limit: number },
): Promise<number> {
  const claimant = `${deps.instanceId}:expiry`;
  const cutoffMs = deps.clock.nowMs() - expiry.expiryMs;
  const errors: unknown[] = [];
  let dropped = 0;
  for (let seen = 0; seen < expiry.limit; seen++) {
    // Each is claimed just before it goes: a claim on many would lapse while the first are dropped, and a client may come back.
    const { claimClock } = deps;
    const askedAt = momentNow(deps);
    const [upload] = await deps.database.transaction((tx) =>
      claimExpiredUploads(tx, { beforeMs: cutoffMs, claimant, forMs: claimMs, claimClock, limit: 1 }),
    );
    if (upload === undefined) break;
    // It may have been frozen since it asked, and a client have come back. Whether the drop succeeds or not, it was not touched.
    const { claimedUntilMs } = upload;
    const kept = keepClaim(deps, { upload, claimant, claimedUntilMs, askedAt, isTouched: false });
    try {
      await dropUpload(deps, upload, { claimant, ensureHeld: kept.ensureHeld });
      dropped += 1;
    } catch (error) {
      // One whose storage region does not answer holds up no other.
      if (!(error instanceof AppError && error.code === "CONFLICT")) errors.push(error);
    } finally {
      kept.stop();
    }
  }
  if (errors.length > 0) throw errors[0];
  return dropped;
}

/** Bytes first, row last: a crash in between leaves a row that expires again, never bytes that nobody knows. */
async function dropUpload(
  deps: RegistryDeps,
  { id, committing }: Pick<Upload, "id" | "committing">,
  { claimant, ensureHeld }: Pick<HeldUpload, "claimant" | "ensureHeld">,
): Promise<void> {
  await ensureHeld();
  await deps.blobs.discardUpload(id, committing, ensureHeld);
  await deps.database.transaction((tx) => commitTogether(tx, [deleteClaimedUpload(tx, id, claimant)]));
}
