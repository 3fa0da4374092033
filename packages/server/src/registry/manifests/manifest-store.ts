import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { ParsedManifest } from "@entrepot/oci/manifest";
import type { Reference } from "@entrepot/oci/reference";
import { compiledQuery } from "../../storage/database/compiled-query.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";
import type { Statement } from "../../storage/database/send-together.ts";
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
 * Stores a manifest; when the repository has it already, only its media type may change, and damaged bytes are replaced. Without a tag its time
 * runs from now: `holdIfHeld` clears it when something else holds the manifest.
 */
export function upsertManifest(tx: Tx, manifest: NewManifest): Statement {
  const unreferencedSinceMs = manifest.isTagged ? null : manifest.nowMs;
  return tx
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
    );
}

export interface ManifestReference {
  readonly digest: Digest;
  readonly kind: "blob" | "child";
}

/** Where a manifest is that the same transaction may just have stored. */
export interface ManifestPlace {
  readonly repositoryId: number;
  readonly digest: string;
}

/** The id of the manifest of that place, as part of a statement. */
export function manifestIdAt(tx: Tx, place: ManifestPlace) {
  return tx
    .selectFrom("manifests")
    .select("id")
    .where("repository_id", "=", place.repositoryId)
    .where("digest", "=", place.digest);
}

/** Writes down what the manifest names. May be repeated. */
export function insertReferences(
  tx: Tx,
  manifest: ManifestPlace,
  references: readonly ManifestReference[],
): readonly Statement[] {
  // Both engines limit the parameters of one statement; 500 rows of 5 are far below either limit.
  const parts = Array.from({ length: Math.ceil(references.length / 500) }, (_, part) =>
    references.slice(part * 500, part * 500 + 500),
  );
  return parts.map((part) =>
    tx
      .insertInto("manifest_references")
      .values(
        part.map((reference) => ({
          manifest_id: manifestIdAt(tx, manifest),
          repository_id: manifest.repositoryId,
          digest: reference.digest,
          kind: reference.kind,
        })),
      )
      .onConflict((conflict) => conflict.columns(["manifest_id", "digest", "kind"]).doNothing()),
  );
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
