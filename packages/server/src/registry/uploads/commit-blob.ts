import type { Digest } from "@entrepot/oci/digest";
import { AppError } from "../../lib/app-error.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import { isForeignKeyViolation } from "../../storage/database/database-error.ts";
import { commitTogether, sendTogether } from "../../storage/database/send-together.ts";
import { insertBlob, linkBlob, reviveBlob, scheduleBlobDeletion } from "../blobs/linked-blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { lockRepositoryForLink } from "../repositories/repository-store.ts";
import { type HeldUpload, unknownUpload } from "./hold-upload.ts";
import { claimMs, takenOver } from "./keep-claim.ts";
import { openAsHolder } from "./open-as-holder.ts";
import { deleteClaimedUpload, renewClaim } from "./upload-store.ts";

/**
 * Makes a synced upload, whose bytes were verified to be those of `digest`, a blob of the repository. If the registry has
 * the blob already, the upload's bytes are dropped and only the link is made.
 *
 * Order: bytes durable → final place → row, link and end of the upload in one transaction. A crash before the transaction
 * leaves an upload that expires; its row tells where the bytes may lie.
 */
export async function commitBlob(
  deps: RegistryDeps,
  held: HeldUpload,
  digest: Digest,
  sizeBytes: number,
): Promise<void> {
  if (held.knownBlobId !== undefined && (await linkKnownBlob(deps, held, digest, held.knownBlobId))) return;
  const location = await moveToPlace(deps, held, digest, sizeBytes);
  const { upload, claimant } = held;
  const { repositoryId } = upload;
  // With several regions there is one more thing to write.
  const send = deps.regions === undefined ? commitTogether : sendTogether;
  await deps.database.transaction(async (tx) => {
    const nowMs = deps.clock.nowMs();
    const [[repository], deleted, [blob]] = await sendTogether(tx, [
      // First, as whoever deletes a repository does: then comes what hangs on it.
      lockRepositoryForLink(tx, { id: repositoryId }),
      deleteClaimedUpload(tx, upload.id, claimant),
      insertBlob(tx, { digest, sizeBytes, location, nowMs }),
    ]);
    if (repository === undefined) throw unknownUpload(upload.id);
    if (deleted.length === 0 || blob === undefined) throw takenOver();
    // Somebody may have pushed the same content meanwhile and have been first.
    const surplus = blob.location !== location;
    await send(tx, [
      linkBlob(tx, { repositoryId, digest, blobId: blob.id, nowMs }),
      ...(surplus ? [scheduleBlobDeletion(tx, { location, digest, sizeBytes, notBeforeMs: nowMs })] : []),
    ]);
    const storedAt = surplus ? undefined : location;
    await deps.regions?.noteLink(tx, { repositoryId, blobId: blob.id, storedAt, nowMs });
  });
  held.claimEnded();
}

/** False when the blob was collected, or came into quarantine, since the upload was claimed: then the upload's own bytes are needed. */
async function linkKnownBlob(
  deps: RegistryDeps,
  held: HeldUpload,
  digest: Digest,
  blobId: number,
): Promise<boolean> {
  const { upload, claimant, triedBefore } = held;
  const { repositoryId } = upload;
  const send = deps.regions === undefined ? commitTogether : sendTogether;
  const link = async (tx: Tx): Promise<boolean> => {
    const nowMs = deps.clock.nowMs();
    const claim = { claimant, nowMs, forMs: claimMs, claimClock: deps.claimClock };
    const [kept, revived] = await send(tx, [
      renewClaim(tx, upload.id, claim),
      reviveBlob(tx, blobId),
      linkBlob(tx, { repositoryId, digest, blobId, nowMs }),
    ]);
    // The bytes are dropped below: they must not be another's by now. The link may stay, as who asked for it had all the bytes.
    if (kept.length === 0) throw takenOver();
    if (revived.length === 0) return false;
    await deps.regions?.noteLink(tx, { repositoryId, blobId, storedAt: undefined, nowMs });
    return true;
  };
  const isLinked = await deps.database.transaction(link).catch((error: unknown) => {
    // The repository was deleted since the upload was claimed, and the upload with it.
    throw isForeignKeyViolation(error) ? unknownUpload(upload.id) : error;
  });
  if (!isLinked) return false;
  await held.ensureHeld();
  // Bytes first, row last: a crash in between leaves a row that expires, never bytes that nobody knows.
  await deps.blobs.discardUpload(upload.id, triedBefore, held.ensureHeld);
  await deps.database.transaction(
    (tx) => commitTogether(tx, [deleteClaimedUpload(tx, upload.id, claimant)]),
    { durable: false },
  );
  held.claimEnded();
  return true;
}

/** Moves the upload's bytes to their final place and tells where that is. */
async function moveToPlace(
  deps: RegistryDeps,
  held: HeldUpload,
  digest: Digest,
  sizeBytes: number,
): Promise<BlobLocation> {
  const { upload, triedBefore } = held;
  let location: BlobLocation;
  await held.ensureHeld();
  try {
    location = await deps.blobs.commitUpload(upload.id, digest, sizeBytes);
  } catch (error) {
    if (!(error instanceof AppError && error.code === "BLOB_UPLOAD_UNKNOWN")) throw error;
    // Longer than what is recorded: a chunk broke off or was refused. Or not there: not a single byte has come.
    await cutTo(deps, held, sizeBytes);
    await held.ensureHeld();
    location = await deps.blobs.commitUpload(upload.id, digest, sizeBytes);
  }
  if (triedBefore !== undefined) {
    await held.ensureHeld();
    // An attempt before may have moved its bytes; those that came again since are not needed a second time.
    await deps.blobs.discardUpload(
      upload.id,
      triedBefore === digest ? undefined : triedBefore,
      held.ensureHeld,
    );
  }
  return location;
}

async function cutTo(deps: RegistryDeps, held: HeldUpload, sizeBytes: number): Promise<void> {
  const writer = await openAsHolder(deps, held, sizeBytes);
  try {
    await writer.sync();
  } finally {
    await writer.close();
  }
}
