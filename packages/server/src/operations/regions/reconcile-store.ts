import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import type { NamespacePlacement } from "./namespace-placement.ts";
import { toPlacement } from "./placement-store.ts";

/** A blob with what says where it should lie, and where it is said to lie. */
export interface ComparedBlob {
  readonly id: number;
  readonly location: BlobLocation;
  readonly sizeBytes: number;
  /** Of the namespaces that link it, each different one once; none = it is about to be collected. */
  readonly placements: readonly NamespacePlacement[];
  readonly states: ReadonlyMap<string, { readonly state: string; readonly sinceMs: number }>;
}

interface BlobRow {
  readonly id: number;
  readonly location: string;
  readonly size_bytes: number;
}

/** Blobs by id after `afterId`. */
export async function listComparedBlobs(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<readonly ComparedBlob[]> {
  const blobs = await db
    .selectFrom("blobs")
    .select(["id", "location", "size_bytes"])
    .where("id", ">", afterId)
    .orderBy("id")
    .limit(limit)
    .execute();
  return compare(db, blobs);
}

/** Those that are still there, as they are now; no link to them is made, and none is collected, until the transaction ends. */
export async function holdComparedBlobs(tx: Tx, ids: readonly number[]): Promise<readonly ComparedBlob[]> {
  if (ids.length === 0) return [];
  const query = tx
    .selectFrom("blobs")
    .select(["id", "location", "size_bytes"])
    .where("id", "in", [...ids]);
  return compare(tx, await forNoKeyUpdate(tx, query.orderBy("id")).execute());
}

async function compare(db: Queryable, blobs: readonly BlobRow[]): Promise<readonly ComparedBlob[]> {
  if (blobs.length === 0) return [];
  const ids = blobs.map(({ id }) => id);
  const links = await listLinkPlacements(db, ids);
  const states = await db
    .selectFrom("blob_placements")
    .select(["blob_id", "region", "state", "since_ms"])
    .where("blob_id", "in", ids)
    .execute();
  const linksOf = Map.groupBy(links, (link) => link.blob_id);
  const statesOf = Map.groupBy(states, (row) => row.blob_id);
  return blobs.map(({ id, location, size_bytes: sizeBytes }) => ({
    id,
    sizeBytes,
    location: location as BlobLocation, // as: written by a driver's commitUpload
    placements: (linksOf.get(id) ?? []).map(toPlacement),
    states: new Map(
      (statesOf.get(id) ?? []).map(({ region, state, since_ms: sinceMs }) => [region, { state, sinceMs }]),
    ),
  }));
}

interface LinkPlacement {
  readonly blob_id: number;
  readonly allowed: string | null;
  readonly copies: string | null;
}

/** Where the namespaces say that link these blobs. While none says anything, one link is as good as a hundred thousand, which a layer that all build on may have. */
async function listLinkPlacements(db: Queryable, ids: readonly number[]): Promise<readonly LinkPlacement[]> {
  const anywhere = await db.selectFrom("namespace_placements").select("namespace_id").limit(1).execute();
  if (anywhere.length === 0) {
    const linked = await db
      .selectFrom("blobs")
      .select("id")
      .where("id", "in", [...ids])
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom("repository_blobs")
            .select("blob_id")
            .whereRef("repository_blobs.blob_id", "=", "blobs.id"),
        ),
      )
      .execute();
    return linked.map(({ id }) => ({ blob_id: id, allowed: null, copies: null }));
  }
  return db
    .selectFrom("repository_blobs as rb")
    .innerJoin("repositories as r", "r.id", "rb.repository_id")
    .leftJoin("namespace_placements as np", "np.namespace_id", "r.namespace_id")
    .select(["rb.blob_id", "np.allowed", "np.copies"])
    .distinct()
    .where("rb.blob_id", "in", [...ids])
    .execute();
}

/** What is to become of one blob in one region. */
export interface PlacementChange {
  readonly blobId: number;
  readonly region: string;
  readonly to: "waiting" | "surplus" | "none";
}

/** Makes changes to blobs that the transaction holds. */
export async function changePlacements(
  tx: Tx,
  changes: readonly PlacementChange[],
  nowMs: number,
): Promise<void> {
  for (const { blobId, region, to } of changes) {
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
