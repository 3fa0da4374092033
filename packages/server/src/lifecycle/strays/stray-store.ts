import type { Queryable } from "../../storage/database/database.ts";

/** What SQL knows of a few objects of the blob store. */
export interface KnownObjects {
  readonly locations: ReadonlySet<string>;
  readonly uploadIds: ReadonlySet<string>;
}

/**
 * Which of the locations belong to a blob or are written down for deletion, everywhere or in one storage region, and which of the uploads are going on. The digests are those of
 * the locations: blobs are found by them. Lists of at most a few hundred.
 */
export async function findKnown(
  db: Queryable,
  asked: {
    readonly digests: readonly string[];
    readonly locations: readonly string[];
    readonly uploadIds: readonly string[];
  },
): Promise<KnownObjects> {
  // The uploads first: one that becomes a blob in between is found as the blob.
  const uploads =
    asked.uploadIds.length === 0
      ? []
      : await db
          .selectFrom("uploads")
          .select("id")
          .where("id", "in", [...asked.uploadIds])
          .execute();
  if (asked.locations.length === 0) {
    return { locations: new Set(), uploadIds: new Set(uploads.map(({ id }) => id)) };
  }
  const blobs = await db
    .selectFrom("blobs")
    .select("location")
    // `in ()` is no SQL; no digest is empty.
    .where("digest", "in", asked.digests.length === 0 ? [""] : [...asked.digests])
    .execute();
  const deletions = await db
    .selectFrom("blob_deletions")
    .select("location")
    .where("location", "in", [...asked.locations])
    .execute();
  const owed = await db
    .selectFrom("region_deletions")
    .select("location")
    .where("location", "in", [...asked.locations])
    .execute();
  return {
    locations: new Set([...blobs, ...deletions, ...owed].map(({ location }) => location)),
    uploadIds: new Set(uploads.map(({ id }) => id)),
  };
}
