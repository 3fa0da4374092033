import type { Queryable } from "../../storage/database/database.ts";

export interface FoundManifest {
  readonly id: number;
  readonly digest: string;
  readonly subject: string | undefined;
}

export async function findManifestsByDigest(
  db: Queryable,
  repositoryId: number,
  digests: readonly string[],
): Promise<readonly FoundManifest[]> {
  if (digests.length === 0) return [];
  const rows = await db
    .selectFrom("manifests")
    .select(["id", "digest", "subject_digest"])
    .where("repository_id", "=", repositoryId)
    .where("digest", "in", [...digests])
    .execute();
  return rows.map(toFound);
}

/** Manifests that name one of the digests, as a blob or as an entry of an index, by id after `afterId`. */
export async function findManifestsNaming(
  db: Queryable,
  repositoryId: number,
  digests: readonly string[],
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly FoundManifest[]> {
  if (digests.length === 0) return [];
  const rows = await db
    .selectFrom("manifests as m")
    .select(["m.id", "m.digest", "m.subject_digest"])
    .where("m.id", "in", (query) =>
      query
        .selectFrom("manifest_references as mr")
        .select("mr.manifest_id")
        .where("mr.repository_id", "=", repositoryId)
        .where("mr.digest", "in", [...digests])
        .where("mr.manifest_id", ">", page.afterId),
    )
    .orderBy("m.id")
    .limit(page.limit)
    .execute();
  return rows.map(toFound);
}

/** The tags of manifests, without their order. */
export async function findTagsOf(db: Queryable, manifestIds: readonly number[]): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("tags")
    .select("name")
    .where("manifest_id", "in", [...manifestIds])
    .execute();
  return rows.map((row) => row.name);
}

function toFound(row: {
  readonly id: number;
  readonly digest: string;
  readonly subject_digest: string | null;
}): FoundManifest {
  return { id: row.id, digest: row.digest, subject: row.subject_digest ?? undefined };
}
