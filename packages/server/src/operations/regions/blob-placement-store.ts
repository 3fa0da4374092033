import type { Digest } from "@entrepot/oci/digest";
import { parseDigest } from "@entrepot/oci/digest";
import { sql } from "kysely";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare } from "../../storage/database/row-locks.ts";
import { oweDeletions } from "./region-deletion-store.ts";

export const placementStates = ["waiting", "placed", "surplus"] as const;
/** 'waiting' = to be copied there; 'surplus' = to be removed from there. */
export type PlacementState = (typeof placementStates)[number];

/** Asks for copies of a blob where there are none yet; what was to be removed there stays. */
export async function wantCopies(
  tx: Tx,
  blobId: number,
  regions: readonly string[],
  nowMs: number,
): Promise<void> {
  if (regions.length === 0) return;
  await tx
    .insertInto("blob_placements")
    .values(regions.map((region) => waitingRow(blobId, region, nowMs)))
    .onConflict((conflict) =>
      conflict
        .columns(["blob_id", "region"])
        .doUpdateSet(waitingRow(blobId, undefined, nowMs))
        .where("blob_placements.state", "=", "surplus"),
    )
    .execute();
}

/** The copies come first. */
const surplusAfterMs = 5_000;

/** Writes down where the bytes of a blob lie that have just come, and where they are to be copied. Whatever was known of it before is void. */
export async function placeNewBlob(
  tx: Tx,
  blob: {
    readonly blobId: number;
    readonly home: string;
    /** False = it came there before that was forbidden, and goes when it lies elsewhere. */
    readonly mayStay: boolean;
    readonly copies: readonly string[];
  },
  nowMs: number,
): Promise<void> {
  const home = waitingRow(blob.blobId, blob.home, nowMs);
  const rows = [
    blob.mayStay
      ? { ...home, state: "placed" }
      : { ...home, state: "surplus", next_ms: nowMs + surplusAfterMs },
    ...blob.copies
      .filter((region) => region !== blob.home)
      .map((region) => waitingRow(blob.blobId, region, nowMs)),
  ];
  await tx.deleteFrom("blob_placements").where("blob_id", "=", blob.blobId).execute();
  await tx.insertInto("blob_placements").values(rows).execute();
}

function waitingRow<R extends string | undefined>(blobId: number, region: R, nowMs: number) {
  const row = { state: "waiting", since_ms: nowMs, attempts: 0, next_ms: nowMs, error: null };
  // as: the key is there exactly when it is given
  return (region === undefined ? row : { blob_id: blobId, region, ...row }) as typeof row &
    (R extends string ? { readonly blob_id: number; readonly region: R } : unknown);
}

/** A blob that is to be copied to a region, or removed from it. */
export interface DuePlacement {
  readonly blobId: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly location: BlobLocation;
  readonly state: "waiting" | "surplus";
  readonly sinceMs: number;
  readonly attempts: number;
}

/** What is due in a region, what was due first at first; what is known to be damaged waits for a push that heals it. */
export async function listDue(
  db: Queryable,
  region: string,
  query: { readonly nowMs: number; readonly limit: number },
): Promise<readonly DuePlacement[]> {
  const rows = await db
    .selectFrom("blob_placements as p")
    .innerJoin("blobs as b", "b.id", "p.blob_id")
    .select(["b.id", "b.digest", "b.size_bytes", "b.location", "p.state", "p.since_ms", "p.attempts"])
    .where("p.region", "=", region)
    .where("p.state", "<>", sql.lit("placed"))
    .where("p.next_ms", "<=", query.nowMs)
    .where("b.quarantined_at_ms", "is", null)
    .orderBy("p.next_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    blobId: row.id,
    digest: parseDigest(row.digest),
    sizeBytes: row.size_bytes,
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
    state: row.state === "waiting" ? "waiting" : "surplus",
    sinceMs: row.since_ms,
    attempts: row.attempts,
  }));
}

/** The bytes are there. False when the blob is gone, lies at another location by now, or is not wanted there any more: then nobody needs them. */
export async function markPlaced(
  tx: Tx,
  blob: Pick<DuePlacement, "blobId" | "location">,
  region: string,
  nowMs: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("blob_placements")
    .set({ state: "placed", since_ms: nowMs, attempts: 0, error: null })
    .where("blob_id", "=", blob.blobId)
    .where("region", "=", region)
    .where("state", "in", ["waiting", "placed"])
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("blobs").select("id").where("id", "=", blob.blobId).where("location", "=", blob.location),
      ),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function postpone(
  tx: Tx,
  blobId: number,
  region: string,
  failure: { readonly nextMs: number; readonly error: string },
): Promise<void> {
  await tx
    .updateTable("blob_placements")
    .set(({ eb }) => ({
      attempts: eb("attempts", "+", 1),
      next_ms: failure.nextMs,
      error: failure.error.slice(0, 500),
    }))
    .where("blob_id", "=", blobId)
    .where("region", "=", region)
    .where("state", "<>", "placed")
    .execute();
}

/** A copy that is to be removed stays until then, which is no failure; nothing when it is wanted there again. */
export async function keepSurplus(
  tx: Tx,
  blobId: number,
  region: string,
  reason: { readonly untilMs: number; readonly text: string },
): Promise<void> {
  await tx
    .updateTable("blob_placements")
    .set({ next_ms: reason.untilMs, error: reason.text })
    .where("blob_id", "=", blobId)
    .where("region", "=", region)
    .where("state", "=", "surplus")
    .execute();
}

/** The bytes are not there any more: nothing is known of the blob in that region, unless it is wanted there again meanwhile. */
export async function forgetSurplus(tx: Tx, blobId: number, region: string): Promise<void> {
  await tx
    .deleteFrom("blob_placements")
    .where("blob_id", "=", blobId)
    .where("region", "=", region)
    .where("state", "=", "surplus")
    .execute();
}

/** A copy was made that nobody wants any more: it is to be removed, whatever has become of the blob. */
export async function noteUnwanted(
  tx: Tx,
  blob: Pick<DuePlacement, "blobId" | "location" | "sizeBytes">,
  region: string,
  nowMs: number,
): Promise<void> {
  const query = tx.selectFrom("blobs").select("id").where("id", "=", blob.blobId);
  const there = await forKeyShare(tx, query.where("location", "=", blob.location)).executeTakeFirst();
  if (there === undefined) return oweDeletions(tx, [region], blob, nowMs);
  await tx
    .insertInto("blob_placements")
    .values({ ...waitingRow(blob.blobId, region, nowMs), state: "surplus" })
    .onConflict((conflict) => conflict.columns(["blob_id", "region"]).doNothing())
    .execute();
}

/** Its bytes in that region are gone or wrong: it is copied there again. */
export async function wantAgain(tx: Tx, blobId: number, region: string, nowMs: number): Promise<void> {
  await tx
    .updateTable("blob_placements")
    .set(waitingRow(blobId, undefined, nowMs))
    .where("blob_id", "=", blobId)
    .where("region", "=", region)
    .where("state", "=", "placed")
    .execute();
}

/** The regions in which blobs are said to lie, by the blob's id. */
export async function listPlacedIn(
  db: Queryable,
  blobIds: readonly number[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  if (blobIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("blob_placements")
    .select(["blob_id", "region"])
    .where("blob_id", "in", [...blobIds])
    .where("state", "=", "placed")
    .execute();
  const byBlob = Map.groupBy(rows, (row) => row.blob_id);
  return new Map([...byBlob].map(([id, found]) => [id, found.map(({ region }) => region)]));
}

/** What is to become of one blob, by region; nothing of regions of which nothing is known. */
export async function findStates(
  db: Queryable,
  blobId: number,
): Promise<ReadonlyMap<string, { readonly state: string; readonly sinceMs: number }>> {
  const rows = await db
    .selectFrom("blob_placements")
    .select(["region", "state", "since_ms"])
    .where("blob_id", "=", blobId)
    .execute();
  return new Map(rows.map(({ region, state, since_ms: sinceMs }) => [region, { state, sinceMs }]));
}

export interface PlacementOfBlob {
  readonly region: string;
  readonly state: PlacementState;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly nextMs: number;
  readonly error: string | undefined;
}

/** Undefined when there is no blob of that digest. */
export async function findPlacementsOf(
  db: Queryable,
  digest: Digest,
): Promise<
  | {
      readonly location: string;
      readonly sizeBytes: number;
      readonly placements: readonly PlacementOfBlob[];
    }
  | undefined
> {
  const blob = await db
    .selectFrom("blobs")
    .select(["id", "location", "size_bytes"])
    .where("digest", "=", digest)
    .executeTakeFirst();
  if (blob === undefined) return undefined;
  const rows = await db
    .selectFrom("blob_placements")
    .select(["region", "state", "since_ms", "attempts", "next_ms", "error"])
    .where("blob_id", "=", blob.id)
    .orderBy("region")
    .execute();
  return {
    location: blob.location,
    sizeBytes: blob.size_bytes,
    placements: rows.map((row) => ({
      region: row.region,
      state: placementStates.find((state) => state === row.state) ?? "waiting",
      sinceMs: row.since_ms,
      attempts: row.attempts,
      nextMs: row.next_ms,
      error: row.error ?? undefined,
    })),
  };
}
