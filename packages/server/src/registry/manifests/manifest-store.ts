import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { ParsedManifest } from "@entrepot/oci/manifest";
import type { Reference } from "@entrepot/oci/reference";
import { compiledQuery } from "../../storage/database/compiled-query.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";
import type { StoredManifest } from "./manifest-cache.ts";

const byDigest = compiledQuery((db, [digest, repository]: readonly [string, string]) =>
  db
    .selectFrom("repositories as r")
    .innerJoin("manifests as m", (join) =>
      join.onRef("m.repository_id", "=", "r.id").on("m.digest", "=", digest),
    )
    .where("r.name", "=", repository)
    .select(["m.digest", "m.media_type", "m.size_bytes", "m.body"]),
);

const byTag = compiledQuery((db, [tag, repository]: readonly [string, string]) =>
  db
    .selectFrom("repositories as r")
    .innerJoin("tags as t", (join) => join.onRef("t.repository_id", "=", "r.id").on("t.name", "=", tag))
    .innerJoin("manifests as m", "m.id", "t.manifest_id")
    .where("r.name", "=", repository)
    .select(["m.digest", "m.media_type", "m.size_bytes", "m.body"]),
);

/** The manifest that a tag or digest names in the repository of that name, in one query. */
export async function findManifest(
  db: Queryable,
  repository: string,
  reference: Reference,
): Promise<StoredManifest | undefined> {
  const [row] =
    reference.kind === "digest"
      ? await byDigest(db, [reference.digest, repository])
      : await byTag(db, [reference.tag, repository]);
  if (row === undefined) return undefined;
  return {
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    body: row.body,
  };
}

export async function findManifestId(
  db: Queryable,
  repositoryId: number,
  digest: Digest,
): Promise<number | undefined> {
  const row = await db
    .selectFrom("manifests")
    .select("id")
    .where("repository_id", "=", repositoryId)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row?.id;
}

/** Those of the digests that the repository links as blobs or has as manifests. */
export async function findPresent(
  tx: Tx,
  repositoryId: number,
  digests: readonly Digest[],
): Promise<{ readonly blobs: ReadonlySet<string>; readonly manifests: ReadonlySet<string> }> {
  if (digests.length === 0) return { blobs: new Set(), manifests: new Set() };
  const blobs = await tx
    .selectFrom("repository_blobs")
    .select("digest")
    .where("repository_id", "=", repositoryId)
    .where("digest", "in", [...digests])
    .execute();
  const manifests = await tx
    .selectFrom("manifests")
    .select("digest")
    .where("repository_id", "=", repositoryId)
    .where("digest", "in", [...digests])
    .execute();
  return {
    blobs: new Set(blobs.map((row) => row.digest)),
    manifests: new Set(manifests.map((row) => row.digest)),
  };
}

export interface NewManifest {
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly parsed: ParsedManifest;
  readonly body: Uint8Array;
  /** A tag will hold it in the same transaction: then its time need not start, and the row is written once. */
  readonly isTagged: boolean;
  readonly nowMs: number;
}

/**
 * Stores a manifest; when the repository has it already, only its media type may change, and damaged bytes are replaced. Tells its id. Without a tag its time runs from
 * now: the caller clears it when something else holds the manifest.
 */
export async function upsertManifest(tx: Tx, manifest: NewManifest): Promise<number> {
  const unreferencedSinceMs = manifest.isTagged ? null : manifest.nowMs;
  const row = await tx
    .insertInto("manifests")
    .values({
      repository_id: manifest.repositoryId,
      digest: manifest.digest,
      media_type: manifest.parsed.mediaType,
      artifact_type: manifest.parsed.artifactType ?? null,
      subject_digest: manifest.parsed.subject?.digest ?? null,
      size_bytes: manifest.body.byteLength,
      body: manifest.body,
      annotations: JSON.stringify(manifest.parsed.annotations),
      created_at_ms: manifest.nowMs,
      unreferenced_since_ms: unreferencedSinceMs,
      orphaned: 0,
    })
    .onConflict((conflict) =>
      conflict
        .columns(["repository_id", "digest"])
        // A push by somebody who knows it: from now on it is kept for itself, not for a parent that is gone, and its time starts anew.
        .doUpdateSet({
          media_type: manifest.parsed.mediaType,
          body: manifest.body,
          size_bytes: manifest.body.byteLength,
          unreferenced_since_ms: unreferencedSinceMs,
          orphaned: 0,
        }),
    )
    .returning("id")
    .executeTakeFirstOrThrow();
  return row.id;
}

export interface ManifestReference {
  readonly digest: Digest;
  readonly kind: "blob" | "child";
}

/** Writes down what the manifest names. May be repeated. */
export async function insertReferences(
  tx: Tx,
  manifest: { readonly id: number; readonly repositoryId: number },
  references: readonly ManifestReference[],
): Promise<void> {
  // Both engines limit the parameters of one statement; 500 rows of 4 are far below either limit.
  for (let start = 0; start < references.length; start += 500) {
    await tx
      .insertInto("manifest_references")
      .values(
        references.slice(start, start + 500).map((reference) => ({
          manifest_id: manifest.id,
          repository_id: manifest.repositoryId,
          digest: reference.digest,
          kind: reference.kind,
        })),
      )
      .onConflict((conflict) => conflict.columns(["manifest_id", "digest", "kind"]).doNothing())
      .execute();
  }
}

export async function listReferences(tx: Tx, manifestId: number): Promise<readonly ManifestReference[]> {
  const rows = await tx
    .selectFrom("manifest_references")
    .select(["digest", "kind"])
    .where("manifest_id", "=", manifestId)
    .execute();
  return rows.map((row) => ({
    digest: parseDigest(row.digest),
    kind: row.kind === "child" ? "child" : "blob",
  }));
}

/** Deletes the row of a manifest; its references go with it. Its tags must be gone before. */
export async function deleteManifestRow(tx: Tx, manifestId: number): Promise<void> {
  await tx.deleteFrom("manifests").where("id", "=", manifestId).execute();
  await sendNotice(tx, "removal");
}
