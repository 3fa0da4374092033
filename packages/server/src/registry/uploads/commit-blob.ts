import type { Digest } from "@entrepot/oci/digest";
import { AppError } from "../../lib/app-error.ts";
import {
  findBlobId,
  insertBlob,
  linkBlob,
  reviveBlob,
  scheduleBlobDeletion,
} from "../blobs/linked-blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import type { HeldUpload } from "./hold-upload.ts";
import { deleteClaimedUpload } from "./upload-store.ts";

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
  const knownId = await findBlobId(deps.database.read, digest);
  if (knownId !== undefined && (await linkKnownBlob(deps, held, digest, knownId))) return;
  await ensureUploadExists(deps, held, sizeBytes);
  const location = await deps.blobs.commitUpload(held.upload.id, digest, sizeBytes);
  const { repositoryId } = held.upload;
  await deps.database.transaction(async (tx) => {
    const nowMs = deps.clock.nowMs();
    const blob = await insertBlob(tx, { digest, sizeBytes, location, nowMs });
    if (blob.location !== location) {
      // Somebody pushed the same content meanwhile and was first.
      await scheduleBlobDeletion(tx, { location, digest, sizeBytes, notBeforeMs: nowMs });
    }
    await linkBlob(tx, { repositoryId, digest, blobId: blob.id, nowMs });
    if (!(await deleteClaimedUpload(tx, held.upload.id, held.claimant))) throw takenOver();
  });
}

/** False when the blob was collected between the look and the transaction: then the upload's own bytes are needed. */
async function linkKnownBlob(
  deps: RegistryDeps,
  held: HeldUpload,
  digest: Digest,
  blobId: number,
): Promise<boolean> {
  const { id, repositoryId } = held.upload;
  const linked = await deps.database.transaction(async (tx) => {
    if (!(await reviveBlob(tx, blobId))) return false;
    await linkBlob(tx, { repositoryId, digest, blobId, nowMs: deps.clock.nowMs() });
    return true;
  });
  if (!linked) return false;
  // Bytes first, row last: a crash in between leaves a row that expires, never bytes that nobody knows.
  await deps.blobs.discardUpload(id);
  await deps.database.transaction((tx) => deleteClaimedUpload(tx, id, held.claimant), { durable: false });
  return true;
}

/** An upload closed without a single byte has no file yet: the empty blob is a blob, too. */
async function ensureUploadExists(deps: RegistryDeps, held: HeldUpload, sizeBytes: number): Promise<void> {
  if (sizeBytes > 0) return;
  const writer = await deps.blobs.openUpload(held.upload.id, 0);
  try {
    await writer.sync();
  } finally {
    await writer.close();
  }
}

function takenOver(): AppError {
  return new AppError("CONFLICT", "another request has taken over this upload");
}
