import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Tx } from "../../storage/database/database.ts";

/** Writes down where the bytes of blobs lie now; undefined = nowhere. */
export async function placeBlobs(
  tx: Tx,
  placed: readonly { readonly id: number; readonly location: BlobLocation | undefined }[],
  nowMs: number,
): Promise<void> {
  for (const { id, location } of placed) {
    await tx
      .updateTable("blobs")
      .set(location === undefined ? { quarantined_at_ms: nowMs } : { location })
      .where("id", "=", id)
      .execute();
  }
}

/** What belonged to the processes and the storage of before: uploads under way, bytes to be removed, leases. */
export async function forgetUnfinished(tx: Tx): Promise<void> {
  await tx.deleteFrom("uploads").execute();
  await tx.deleteFrom("blob_deletions").execute();
  await tx.deleteFrom("leases").execute();
}
