import type { Queryable, Tx } from "../../storage/database/database.ts";

/** What is in the registry, when it was last counted. */
export interface StorageNumbers {
  readonly blobs: number;
  readonly blobBytes: number;
  readonly manifests: number;
  readonly repositories: number;
  readonly uploads: number;
  readonly countedAtMs: number;
}

const factName = "storage-numbers";

export async function readNumbers(db: Queryable): Promise<StorageNumbers | undefined> {
  const query = db.selectFrom("facts").select("value").where("name", "=", factName);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.value) as StorageNumbers); // as: written by the function below
}

export async function writeNumbers(tx: Tx, numbers: StorageNumbers): Promise<void> {
  const value = JSON.stringify(numbers);
  await tx
    .insertInto("facts")
    .values({ name: factName, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute();
}

/** Counts the blobs with ids above `afterId`, at most `limit` of them. `lastId` undefined = there are no more. */
export async function countBlobsAfter(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<{ readonly count: number; readonly bytes: number; readonly lastId: number | undefined }> {
  const row = await db
    .selectFrom((query) =>
      query
        .selectFrom("blobs")
        .select(["id", "size_bytes"])
        .where("id", ">", afterId)
        .orderBy("id")
        .limit(limit)
        .as("some"),
    )
    .select(({ fn }) => [
      fn.countAll<number>().as("count"),
      fn.sum<number | null>("size_bytes").as("bytes"),
      fn.max<number | null>("id").as("last"),
    ])
    .executeTakeFirstOrThrow();
  return { count: Number(row.count), bytes: Number(row.bytes ?? 0), lastId: row.last ?? undefined };
}

export async function countManifestsAfter(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<{ readonly count: number; readonly lastId: number | undefined }> {
  const row = await db
    .selectFrom((query) =>
      query
        .selectFrom("manifests")
        .select("id")
        .where("id", ">", afterId)
        .orderBy("id")
        .limit(limit)
        .as("some"),
    )
    .select(({ fn }) => [fn.countAll<number>().as("count"), fn.max<number | null>("id").as("last")])
    .executeTakeFirstOrThrow();
  return { count: Number(row.count), lastId: row.last ?? undefined };
}

export async function countSmallTables(
  db: Queryable,
): Promise<{ readonly repositories: number; readonly uploads: number }> {
  const repositories = await db
    .selectFrom("repositories")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  const uploads = await db
    .selectFrom("uploads")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return { repositories: Number(repositories.count), uploads: Number(uploads.count) };
}
