import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";

export interface BlobRow {
  readonly id: number;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly location: BlobLocation;
  readonly isQuarantined: boolean;
}

const blobColumns = ["id", "digest", "size_bytes", "location", "quarantined_at_ms"] as const;

/** Blobs by id after `afterId`. */
export async function listBlobs(db: Queryable, afterId: number, limit: number): Promise<readonly BlobRow[]> {
  const rows = await db
    .selectFrom("blobs")
    .select(blobColumns)
    .where("id", ">", afterId)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
    isQuarantined: row.quarantined_at_ms !== null,
  }));
}

export async function countBlobs(db: Queryable): Promise<{ readonly count: number; readonly bytes: number }> {
  const row = await db
    .selectFrom("blobs")
    .select((eb) => [
      eb.fn.countAll<number>().as("count"),
      eb.fn.sum<number | null>("size_bytes").as("bytes"),
    ])
    .executeTakeFirstOrThrow();
  return { count: Number(row.count), bytes: Number(row.bytes ?? 0) };
}

/** Whether the row still says that the blob lies there. */
export async function isBlobAt(db: Queryable, blob: BlobRow): Promise<boolean> {
  const row = await db
    .selectFrom("blobs")
    .select("id")
    .where("id", "=", blob.id)
    .where("location", "=", blob.location)
    .executeTakeFirst();
  return row !== undefined;
}

/** Puts a blob that still lies there into quarantine, or takes it out; false when it has changed meanwhile. */
export async function setQuarantine(tx: Tx, blob: BlobRow, sinceMs: number | null): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("blobs")
    .set({ quarantined_at_ms: sinceMs })
    .where("id", "=", blob.id)
    .where("location", "=", blob.location)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) await sendNotice(tx, "removal");
  return numUpdatedRows > 0n;
}

/** Who needs a blob: repositories that link it, and the manifests and tags there that name it; at most `limit` of each kind. */
export async function listUsersOf(db: Queryable, digest: string, limit: number): Promise<readonly string[]> {
  const links = await db
    .selectFrom("repository_blobs as rb")
    .innerJoin("repositories as r", "r.id", "rb.repository_id")
    .leftJoin("manifest_references as mr", (join) =>
      join.onRef("mr.repository_id", "=", "rb.repository_id").onRef("mr.digest", "=", "rb.digest"),
    )
    .leftJoin("manifests as m", "m.id", "mr.manifest_id")
    .leftJoin("tags as t", "t.manifest_id", "m.id")
    .select(["r.name as repository", "m.digest as manifest", "t.name as tag"])
    .where("rb.digest", "=", digest)
    .limit(limit)
    .execute();
  return links.map(({ repository, manifest, tag }) => {
    if (tag !== null) return `${repository}:${tag}`;
    return manifest === null ? repository : `${repository}@${manifest}`;
  });
}

export interface ManifestRow {
  readonly id: number;
  readonly repositoryId: number;
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly body: Uint8Array;
}

/** Manifests by id after `afterId`, with their bytes. */
export async function listManifestBodies(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<readonly ManifestRow[]> {
  const rows = await db
    .selectFrom("manifests as m")
    .innerJoin("repositories as r", "r.id", "m.repository_id")
    .select(["m.id", "m.repository_id", "r.name", "m.digest", "m.media_type", "m.size_bytes", "m.body"])
    .where("m.id", ">", afterId)
    .orderBy("m.id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    repositoryId: row.repository_id,
    repository: row.name,
    digest: row.digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    body: row.body,
  }));
}

export interface ReferenceRow {
  readonly manifestId: number;
  readonly digest: string;
  readonly kind: string;
  /** The repository has it, as what it is needed for. */
  readonly isPresent: boolean;
}

/** What the manifests name, and whether it is there, as of one moment. */
export async function listReferenceRows(
  db: Queryable,
  manifestIds: readonly number[],
): Promise<readonly ReferenceRow[]> {
  if (manifestIds.length === 0) return [];
  const rows = await db
    .selectFrom("manifest_references as mr")
    .leftJoin("repository_blobs as rb", (join) =>
      join.onRef("rb.repository_id", "=", "mr.repository_id").onRef("rb.digest", "=", "mr.digest"),
    )
    .leftJoin("manifests as m", (join) =>
      join.onRef("m.repository_id", "=", "mr.repository_id").onRef("m.digest", "=", "mr.digest"),
    )
    .select(["mr.manifest_id", "mr.digest", "mr.kind", "rb.blob_id", "m.id as child_id"])
    .where("mr.manifest_id", "in", [...manifestIds])
    .execute();
  return rows.map((row) => ({
    manifestId: row.manifest_id,
    digest: row.digest,
    kind: row.kind,
    isPresent: row.blob_id !== null || (row.kind === "child" && row.child_id !== null),
  }));
}

export async function isManifestThere(db: Queryable, id: number): Promise<boolean> {
  return (
    (await db.selectFrom("manifests").select("id").where("id", "=", id).executeTakeFirst()) !== undefined
  );
}

export async function listTagsOf(db: Queryable, manifestId: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("tags")
    .select("name")
    .where("manifest_id", "=", manifestId)
    .orderBy("name")
    .limit(10)
    .execute();
  return rows.map((row) => row.name);
}

/** The bytes of the same manifest in other repositories. */
export async function listTwinBodies(db: Queryable, manifest: ManifestRow): Promise<readonly Uint8Array[]> {
  const rows = await db
    .selectFrom("manifests")
    .select("body")
    .where("digest", "=", manifest.digest)
    .where("id", "!=", manifest.id)
    .limit(5)
    .execute();
  return rows.map((row) => row.body);
}

export async function replaceManifestBody(tx: Tx, id: number, body: Uint8Array): Promise<void> {
  await tx.updateTable("manifests").set({ body, size_bytes: body.byteLength }).where("id", "=", id).execute();
}

export async function deleteReferenceRow(tx: Tx, row: ReferenceRow): Promise<void> {
  await tx
    .deleteFrom("manifest_references")
    .where("manifest_id", "=", row.manifestId)
    .where("digest", "=", row.digest)
    .where("kind", "=", row.kind)
    .execute();
}

/** Links that nothing names and blobs that nothing links, but whose time was never started: they would never be collected. */
export async function countUnmarked(
  db: Queryable,
): Promise<{ readonly links: number; readonly blobs: number }> {
  const links = await db
    .selectFrom("repository_blobs as rb")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("rb.unreferenced_since_ms", "is", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("manifest_references as mr")
            .select("mr.manifest_id")
            .whereRef("mr.repository_id", "=", "rb.repository_id")
            .whereRef("mr.digest", "=", "rb.digest"),
        ),
      ),
    )
    .executeTakeFirstOrThrow();
  const blobs = await db
    .selectFrom("blobs as b")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("b.unreferenced_since_ms", "is", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(selectFrom("repository_blobs as rb").select("rb.blob_id").whereRef("rb.blob_id", "=", "b.id")),
      ),
    )
    .executeTakeFirstOrThrow();
  return { links: Number(links.count), blobs: Number(blobs.count) };
}

/** Starts the time of what `countUnmarked` counts. */
export async function markUnmarked(tx: Tx, nowMs: number): Promise<void> {
  await tx
    .updateTable("repository_blobs")
    .set({ unreferenced_since_ms: nowMs })
    .where("unreferenced_since_ms", "is", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("manifest_references as mr")
            .select("mr.manifest_id")
            .whereRef("mr.repository_id", "=", "repository_blobs.repository_id")
            .whereRef("mr.digest", "=", "repository_blobs.digest"),
        ),
      ),
    )
    .execute();
  await tx
    .updateTable("blobs")
    .set({ unreferenced_since_ms: nowMs })
    .where("unreferenced_since_ms", "is", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("repository_blobs as rb").select("rb.blob_id").whereRef("rb.blob_id", "=", "blobs.id"),
        ),
      ),
    )
    .execute();
}
