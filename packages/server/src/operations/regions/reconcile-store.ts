import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare } from "../../storage/database/row-locks.ts";
import type { NamespacePlacement } from "./namespace-placement.ts";
import { toPlacement } from "./placement-store.ts";

/** A blob with what says where it should lie, and where it is said to lie. */
export interface ComparedBlob {
  readonly id: number;
  readonly location: BlobLocation;
  /** Of the namespaces that link it, each different one once; none = it is about to be collected. */
  readonly placements: readonly NamespacePlacement[];
  readonly states: ReadonlyMap<string, string>;
}

/** Blobs by id after `afterId`. */
export async function listComparedBlobs(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<readonly ComparedBlob[]> {
  const blobs = await db
    .selectFrom("blobs")
    .select(["id", "location"])
    .where("id", ">", afterId)
    .orderBy("id")
    .limit(limit)
    .execute();
  if (blobs.length === 0) return [];
  const ids = blobs.map(({ id }) => id);
  const links = await db
    .selectFrom("repository_blobs as rb")
    .innerJoin("repositories as r", "r.id", "rb.repository_id")
    .leftJoin("namespace_placements as np", "np.namespace_id", "r.namespace_id")
    .select(["rb.blob_id", "np.allowed", "np.copies"])
    .distinct()
    .where("rb.blob_id", "in", ids)
    .execute();
  const states = await db
    .selectFrom("blob_placements")
    .select(["blob_id", "region", "state"])
    .where("blob_id", "in", ids)
    .execute();
  const linksOf = Map.groupBy(links, (link) => link.blob_id);
  const statesOf = Map.groupBy(states, (row) => row.blob_id);
  return blobs.map(({ id, location }) => ({
    id,
    location: location as BlobLocation, // as: written by a driver's commitUpload
    placements: (linksOf.get(id) ?? []).map(toPlacement),
    states: new Map((statesOf.get(id) ?? []).map(({ region, state }) => [region, state])),
  }));
}

/** What is to become of one blob in one region. */
export interface PlacementChange {
  readonly blobId: number;
  readonly region: string;
  readonly to: "waiting" | "surplus" | "none";
}

/** Makes the changes that still apply; of blobs that went meanwhile, none. */
export async function changePlacements(
  tx: Tx,
  changes: readonly PlacementChange[],
  nowMs: number,
): Promise<void> {
  const ids = [...new Set(changes.map(({ blobId }) => blobId))];
  if (ids.length === 0) return;
  // Held until the end, or the collector could take them between this look and a row that refers to them.
  const held = forKeyShare(tx, tx.selectFrom("blobs").select("id").where("id", "in", ids).orderBy("id"));
  const there = await held.execute();
  const known = new Set(there.map(({ id }) => id));
  for (const { blobId, region, to } of changes) {
    if (!known.has(blobId)) continue;
    if (to === "none") {
      await tx
        .deleteFrom("blob_placements")
        .where("blob_id", "=", blobId)
        .where("region", "=", region)
        .where("state", "=", "waiting")
        .execute();
      continue;
    }
    const row = { state: to, since_ms: nowMs, attempts: 0, next_ms: nowMs, error: null };
    await tx
      .insertInto("blob_placements")
      .values({ blob_id: blobId, region, ...row })
      .onConflict((conflict) =>
        conflict
          .columns(["blob_id", "region"])
          .doUpdateSet(row)
          // What is copied already need not be copied again.
          .where("blob_placements.state", "=", to === "waiting" ? "surplus" : "placed"),
      )
      .execute();
  }
}
