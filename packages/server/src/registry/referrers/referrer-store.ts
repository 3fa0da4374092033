import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { Queryable } from "../../storage/database/database.ts";

export interface ReferrerRow {
  readonly id: number;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly sizeBytes: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Manifests of the repository whose subject is `subject`, in the order they were pushed, after the id `after`. */
export async function listReferrerRows(
  db: Queryable,
  query: {
    readonly repositoryId: number;
    readonly subject: Digest;
    /** Any of these artifact types; empty = all. */
    readonly artifactTypes: readonly string[];
    readonly after: number;
    readonly limit: number;
  },
): Promise<readonly ReferrerRow[]> {
  let select = db
    .selectFrom("manifests")
    .select(["id", "digest", "media_type", "artifact_type", "size_bytes", "annotations"])
    .where("repository_id", "=", query.repositoryId)
    .where("subject_digest", "=", query.subject)
    .where("id", ">", query.after)
    .orderBy("id")
    .limit(query.limit);
  if (query.artifactTypes.length > 0) {
    select = select.where((eb) =>
      eb(eb.fn.coalesce("artifact_type", eb.val("")), "in", [...query.artifactTypes]),
    );
  }
  return (await select.execute()).map((row) => ({
    id: row.id,
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    sizeBytes: row.size_bytes,
    // as: written by upsertManifest from a parsed manifest's string-to-string annotations
    annotations: JSON.parse(row.annotations) as Record<string, string>,
  }));
}
