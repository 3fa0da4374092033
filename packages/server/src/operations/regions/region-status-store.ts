import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** What the rows say of one region, configured or not. */
export interface RegionCounts {
  readonly placed: { readonly blobs: number; readonly bytes: number };
  readonly waiting: {
    readonly blobs: number;
    readonly bytes: number;
    readonly oldestSinceMs: number | undefined;
    /** Those of which an attempt has failed. */
    readonly failing: number;
  };
  readonly surplus: number;
  readonly owedDeletions: number;
}

export const noCounts: RegionCounts = {
  placed: { blobs: 0, bytes: 0 },
  waiting: { blobs: 0, bytes: 0, oldestSinceMs: undefined, failing: 0 },
  surplus: 0,
  owedDeletions: 0,
};

/** By region. `placed` reads every row: for a person; the rest only what is open, for whoever asks every few seconds. */
export async function countRegions(
  db: Queryable,
  which: "everything" | "open",
): Promise<ReadonlyMap<string, RegionCounts>> {
  const rows = await db
    .selectFrom("blob_placements as p")
    .innerJoin("blobs as b", "b.id", "p.blob_id")
    .select(({ fn }) => [
      "p.region",
      "p.state",
      fn.countAll<number>().as("blobs"),
      fn.sum<number>("b.size_bytes").as("bytes"),
      fn.min("p.since_ms").as("oldest"),
      sql<number>`sum(case when p.attempts > 0 then 1 else 0 end)`.as("failing"),
    ])
    .$if(which === "open", (query) => query.where("p.state", "<>", sql.lit("placed")))
    .groupBy(["p.region", "p.state"])
    .execute();
  const owed = await db
    .selectFrom("region_deletions")
    .select(({ fn }) => ["region", fn.countAll<number>().as("count")])
    .groupBy("region")
    .execute();
  const names = new Set([...rows, ...owed].map(({ region }) => region));
  const of = (region: string, state: string) =>
    rows.find((row) => row.region === region && row.state === state);
  return new Map(
    [...names].map((region) => {
      const [placed, waiting] = [of(region, "placed"), of(region, "waiting")];
      return [
        region,
        {
          placed: { blobs: Number(placed?.blobs ?? 0), bytes: Number(placed?.bytes ?? 0) },
          waiting: {
            blobs: Number(waiting?.blobs ?? 0),
            bytes: Number(waiting?.bytes ?? 0),
            oldestSinceMs: waiting === undefined ? undefined : Number(waiting.oldest),
            failing: Number(waiting?.failing ?? 0),
          },
          surplus: Number(of(region, "surplus")?.blobs ?? 0),
          owedDeletions: Number(owed.find((row) => row.region === region)?.count ?? 0),
        },
      ];
    }),
  );
}

/**
 * How many blobs lie in that region and are not said to lie in any other. Whatever is to become of them there: a copy that waits may be the only one, of what
 * was there before there were regions, and one that is surplus stays until another region has it.
 */
export async function countOnlyIn(db: Queryable, region: string): Promise<number> {
  const row = await db
    .selectFrom("blob_placements as p")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("p.region", "=", region)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("blob_placements as other")
            .select("other.blob_id")
            .whereRef("other.blob_id", "=", "p.blob_id")
            .where("other.region", "<>", region)
            .where("other.state", "=", "placed"),
        ),
      ),
    )
    .executeTakeFirstOrThrow();
  return Number(row.count);
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

/** Forgets everything of a region; tells how many blobs were said to lie there. */
export async function deleteRegionRows(tx: Tx, region: string): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom("blob_placements")
    .where("region", "=", region)
    .executeTakeFirst();
  await tx.deleteFrom("region_deletions").where("region", "=", region).execute();
  return Number(numDeletedRows);
}
