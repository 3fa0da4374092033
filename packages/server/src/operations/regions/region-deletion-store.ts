import { holds } from "../../lifecycle/garbage-collection/hold-store.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** Writes down bytes that those regions must still remove. */
export async function oweDeletions(
  tx: Tx,
  regions: readonly string[],
  bytes: { readonly location: BlobLocation; readonly sizeBytes: number },
  nowMs: number,
): Promise<void> {
  if (regions.length === 0) return;
  await tx
    .insertInto("region_deletions")
    .values(
      regions.map((region) => ({
        region,
        location: bytes.location,
        size_bytes: bytes.sizeBytes,
        since_ms: nowMs,
        next_ms: nowMs,
      })),
    )
    .onConflict((conflict) => conflict.columns(["region", "location"]).doNothing())
    .execute();
}

/** What a region must still remove; nothing while somebody holds all bytes. */
export async function listOwedDeletions(
  db: Queryable,
  region: string,
  query: { readonly nowMs: number; readonly limit: number },
): Promise<readonly BlobLocation[]> {
  const rows = await db
    .selectFrom("region_deletions")
    .select("location")
    .where("region", "=", region)
    .where("next_ms", "<=", query.nowMs)
    .where(({ not, exists }) => not(exists(holds(db, query.nowMs))))
    .orderBy("next_ms")
    .limit(query.limit)
    .execute();
  return rows.map(({ location }) => location as BlobLocation); // as: written by a driver's commitUpload
}

export async function forgetOwedDeletion(tx: Tx, region: string, location: BlobLocation): Promise<void> {
  await tx
    .deleteFrom("region_deletions")
    .where("region", "=", region)
    .where("location", "=", location)
    .execute();
}

export async function postponeDeletion(
  tx: Tx,
  region: string,
  location: BlobLocation,
  nextMs: number,
): Promise<void> {
  await tx
    .updateTable("region_deletions")
    .set({ next_ms: nextMs })
    .where("region", "=", region)
    .where("location", "=", location)
    .execute();
}
