import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import { isLocation, partsOfLocation } from "../../storage/blob-store/names.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";

export interface PlacedBlob {
  readonly id: number;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly location: BlobLocation;
}

/** The blobs that lie at one of the locations. */
export async function listBlobsAt(
  db: Queryable,
  locations: readonly string[],
): Promise<readonly PlacedBlob[]> {
  // By which they are found; there is no index of locations.
  const digests = locations.filter(isLocation).map((location) => partsOfLocation(location).digest);
  if (digests.length === 0) return [];
  const rows = await db
    .selectFrom("blobs")
    .select(["id", "digest", "size_bytes", "location"])
    .where("digest", "in", digests)
    .where("location", "in", [...locations])
    .execute();
  return rows.map((row) => ({
    id: row.id,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
  }));
}

/** Says where a blob lies from now on; false when it has gone or moved meanwhile. Other processes are told. */
export async function moveBlobRow(tx: Tx, blob: PlacedBlob, location: BlobLocation): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("blobs")
    .set({ location })
    .where("id", "=", blob.id)
    .where("location", "=", blob.location)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  await sendNotice(tx, "removal");
  return true;
}

/** How many of the uploads are under way. */
export async function countUploads(db: Queryable, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const row = await db
    .selectFrom("uploads")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("id", "in", [...ids])
    .executeTakeFirstOrThrow();
  return Number(row.count);
}
