import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { findFact, putFact } from "../../storage/database/fact-store.ts";
import type { CountedRegions, PlacedBlob } from "./tally-regions.ts";

/** No statement here reads more rows than this of one region or so many blobs, however many there are. */
export const countedAtMost = 5_000;

/** What is open in one region. */
export interface OpenCounts {
  readonly waiting: {
    readonly blobs: number;
    readonly bytes: number;
    readonly oldestSinceMs: number | undefined;
    /** Those of which an attempt has failed. */
    readonly failing: number;
  };
  readonly surplus: number;
  readonly owedDeletions: number;
  /** There is more than was counted. */
  readonly isCut: boolean;
}

/** What is due first, at most one more than is counted. */
function openPlacements(db: Queryable, region: string) {
  return db
    .selectFrom("blob_placements as p")
    .innerJoin("blobs as b", "b.id", "p.blob_id")
    .select(["p.state", "p.since_ms", "p.attempts", "b.size_bytes"])
    .where("p.region", "=", region)
    .where("p.state", "<>", sql.lit("placed"))
    .orderBy("p.next_ms")
    .limit(countedAtMost + 1);
}

function owedDeletions(db: Queryable, region: string) {
  return db
    .selectFrom("region_deletions")
    .select("location")
    .where("region", "=", region)
    .orderBy("location")
    .limit(countedAtMost + 1);
}

/** Exact while little is open, and never slow. */
export async function countOpen(db: Queryable, region: string): Promise<OpenCounts> {
  const open = await openPlacements(db, region).execute();
  const owed = await owedDeletions(db, region).execute();
  const waiting = open.filter(({ state }) => state === "waiting");
  const sinceMs = waiting.map((row) => row.since_ms);
  return {
    waiting: {
      blobs: waiting.length,
      bytes: waiting.reduce((sum, row) => sum + row.size_bytes, 0),
      oldestSinceMs: waiting.length === 0 ? undefined : Math.min(...sinceMs),
      failing: waiting.filter(({ attempts }) => attempts > 0).length,
    },
    surplus: open.length - waiting.length,
    owedDeletions: owed.length,
    isCut: open.length > countedAtMost || owed.length > countedAtMost,
  };
}

function blobsAfter(db: Queryable, afterId: number, limit: number) {
  return db
    .selectFrom("blobs")
    .select(["id", "size_bytes"])
    .where("id", ">", afterId)
    .orderBy("id")
    .limit(limit);
}

/** Blobs by id after `afterId`, and where each is said to lie. */
export async function listPlacedBlobs(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<readonly PlacedBlob[]> {
  const blobs = await blobsAfter(db, afterId, limit).execute();
  const last = blobs.at(-1);
  if (last === undefined) return [];
  const rows = await db
    .selectFrom("blob_placements")
    .select(["blob_id", "region", "state", "since_ms"])
    .where("blob_id", ">", afterId)
    .where("blob_id", "<=", last.id)
    .execute();
  const byBlob = Map.groupBy(rows, (row) => row.blob_id);
  return blobs.map(({ id, size_bytes: sizeBytes }) => ({
    id,
    sizeBytes,
    placements: (byBlob.get(id) ?? []).map(({ region, state, since_ms: sinceMs }) => ({
      region,
      state,
      sinceMs,
    })),
  }));
}

/** How many uploads lie in that region and are going on. */
export async function countUploadsIn(db: Queryable, region: string): Promise<number> {
  const row = await db
    .selectFrom("uploads")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("id", "like", `%--${region}`)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Forgets that blobs of these ids lie in a region, where another is said to have them; tells how many. */
export async function deletePlacements(
  tx: Tx,
  region: string,
  ids: { readonly after: number; readonly upTo: number },
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom("blob_placements")
    .where("region", "=", region)
    .where("blob_id", ">", ids.after)
    .where("blob_id", "<=", ids.upTo)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("blob_placements as other")
          .select("other.blob_id")
          .whereRef("other.blob_id", "=", "blob_placements.blob_id")
          .where("other.region", "<>", region)
          .where("other.state", "=", "placed"),
      ),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Forgets some of the bytes that a region had still to remove; tells how many. */
export async function deleteOwed(tx: Tx, region: string, limit: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom("region_deletions")
    .where("region", "=", region)
    .where("location", "in", (query) =>
      query
        .selectFrom("region_deletions")
        .select("location")
        .where("region", "=", region)
        .orderBy("location")
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

const countsFact = "storage-region-counts";

/** What the last look at all blobs came to; undefined before the first. */
export async function findCounts(db: Queryable): Promise<CountedRegions | undefined> {
  const text = await findFact(db, countsFact);
  return text === undefined ? undefined : (JSON.parse(text) as CountedRegions); // as: written by putCounts
}

export async function putCounts(tx: Tx, counts: CountedRegions): Promise<void> {
  await putFact(tx, countsFact, JSON.stringify(counts));
}
