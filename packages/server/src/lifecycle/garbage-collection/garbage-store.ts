import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";
import { holds } from "./hold-store.ts";

export interface ManifestCandidate {
  readonly id: number;
  readonly repositoryId: number;
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Manifests whose time is up, oldest first, after the cursor. `orphaned`: lost their parent; else: only lost or never had a tag. */
export async function listManifestCandidates(
  db: Queryable,
  query: {
    readonly orphaned: boolean;
    readonly beforeMs: number;
    readonly afterId: number;
    readonly limit: number;
  },
): Promise<readonly ManifestCandidate[]> {
  const rows = await db
    .selectFrom("manifests as m")
    .innerJoin("repositories as r", "r.id", "m.repository_id")
    .select(["m.id", "m.repository_id", "r.name", "m.digest", "m.size_bytes"])
    .where("m.orphaned", "=", query.orphaned ? 1 : 0)
    .where("m.unreferenced_since_ms", "<=", query.beforeMs)
    .where("m.id", ">", query.afterId)
    .orderBy("m.id")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    repositoryId: row.repository_id,
    repository: row.name,
    digest: parseDigest(row.digest),
    sizeBytes: row.size_bytes,
  }));
}

/** Whether the manifest is still the candidate it was when it was listed. */
export async function isStillCandidate(
  tx: Tx,
  candidate: { readonly id: number; readonly orphaned: boolean; readonly beforeMs: number },
): Promise<boolean> {
  const row = await tx
    .selectFrom("manifests")
    .select("id")
    .where("id", "=", candidate.id)
    .where("orphaned", "=", candidate.orphaned ? 1 : 0)
    .where("unreferenced_since_ms", "<=", candidate.beforeMs)
    .executeTakeFirst();
  return row !== undefined;
}

export interface LinkCandidate {
  readonly repositoryId: number;
  readonly digest: string;
  readonly blobId: number;
}

/** Links that no manifest has named since `beforeMs`. */
export async function listLinkCandidates(
  db: Queryable,
  query: { readonly beforeMs: number; readonly limit: number },
): Promise<readonly LinkCandidate[]> {
  const rows = await db
    .selectFrom("repository_blobs")
    .select(["repository_id", "digest", "blob_id"])
    .where("unreferenced_since_ms", "<=", query.beforeMs)
    .orderBy("unreferenced_since_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({ repositoryId: row.repository_id, digest: row.digest, blobId: row.blob_id }));
}

/**
 * Removes those links of one repository that no manifest names and whose time is still up, and tells their blobs. Links that a manifest names
 * after all lose their candidacy. The caller holds the repository (`lockRepositoryForDelete`).
 */
export async function deleteUnnamedLinks(
  tx: Tx,
  links: { readonly repositoryId: number; readonly digests: readonly string[]; readonly beforeMs: number },
): Promise<readonly number[]> {
  const named = tx
    .selectFrom("manifest_references as mr")
    .select("mr.digest")
    .where("mr.repository_id", "=", links.repositoryId)
    .where("mr.digest", "in", [...links.digests]);
  await tx
    .updateTable("repository_blobs")
    .set({ unreferenced_since_ms: null })
    .where("repository_id", "=", links.repositoryId)
    .where("digest", "in", named)
    .where("unreferenced_since_ms", "is not", null)
    .execute();
  const removed = await tx
    .deleteFrom("repository_blobs")
    .where("repository_id", "=", links.repositoryId)
    .where("digest", "in", [...links.digests])
    .where("unreferenced_since_ms", "<=", links.beforeMs)
    .where("digest", "not in", named)
    .returning("blob_id")
    .execute();
  if (removed.length > 0) await sendNotice(tx, "removal");
  return removed.map((row) => row.blob_id);
}

export interface BlobCandidate {
  readonly id: number;
  readonly digest: Digest;
  readonly location: BlobLocation;
  readonly sizeBytes: number;
}

/** Blobs that no repository linked when they were last looked at. */
export async function listBlobCandidates(
  db: Queryable,
  query: { readonly beforeMs: number; readonly limit: number },
): Promise<readonly BlobCandidate[]> {
  const rows = await db
    .selectFrom("blobs")
    .select(["id", "digest", "location", "size_bytes"])
    .where("unreferenced_since_ms", "<=", query.beforeMs)
    .orderBy("unreferenced_since_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    digest: parseDigest(row.digest),
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
    sizeBytes: row.size_bytes,
  }));
}

/** Takes a blob that is linked after all from the candidates; tells whether it was. */
export async function reviveIfLinked(tx: Tx, blobId: number): Promise<boolean> {
  const row = await tx
    .updateTable("blobs")
    .set({ unreferenced_since_ms: null })
    .where("id", "=", blobId)
    .where(({ exists, selectFrom }) =>
      exists(selectFrom("repository_blobs as rb").select("rb.blob_id").where("rb.blob_id", "=", blobId)),
    )
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Deletes the row of a blob that is still a candidate; false when it was revived meanwhile. A link that appears at the same moment makes the
 * statement fail by its foreign key: then the whole transaction is given up.
 */
export async function deleteBlobRow(tx: Tx, blobId: number, beforeMs: number): Promise<boolean> {
  const result = await tx
    .deleteFrom("blobs")
    .where("id", "=", blobId)
    .where("unreferenced_since_ms", "<=", beforeMs)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export interface PendingDeletion {
  readonly location: BlobLocation;
  readonly sizeBytes: number;
}

/** Bytes whose time to be removed has come; none while somebody holds them. In one statement: a hold made before it counts. */
export async function listPendingDeletions(
  db: Queryable,
  query: { readonly nowMs: number; readonly limit: number },
): Promise<readonly PendingDeletion[]> {
  const rows = await db
    .selectFrom("blob_deletions")
    .select(["location", "size_bytes"])
    .where("not_before_ms", "<=", query.nowMs)
    .where(({ not, exists }) => not(exists(holds(db, query.nowMs))))
    .orderBy("not_before_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
    sizeBytes: row.size_bytes,
  }));
}

export async function forgetDeletions(tx: Tx, locations: readonly BlobLocation[]): Promise<void> {
  if (locations.length === 0) return;
  await tx
    .deleteFrom("blob_deletions")
    .where("location", "in", [...locations])
    .execute();
}

export interface GarbageCounts {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly pendingDeletions: number;
  readonly pendingDeletionBytes: number;
}

/** What a pass would find now: candidates past their time, bytes waiting for removal. Reads candidate indexes only. */
export async function countGarbage(
  db: Queryable,
  cutoffs: { readonly graceMs: number; readonly untaggedMs: number | undefined },
): Promise<GarbageCounts> {
  const manifests = await db
    .selectFrom("manifests")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where(({ eb, or, and }) =>
      or([
        and([eb("orphaned", "=", 1), eb("unreferenced_since_ms", "<=", cutoffs.graceMs)]),
        ...(cutoffs.untaggedMs === undefined
          ? []
          : [and([eb("orphaned", "=", 0), eb("unreferenced_since_ms", "<=", cutoffs.untaggedMs)])]),
      ]),
    )
    .executeTakeFirstOrThrow();
  const links = await db
    .selectFrom("repository_blobs as rb")
    .innerJoin("blobs as b", "b.id", "rb.blob_id")
    .select((eb) => [eb.fn.countAll<number>().as("count")])
    .where("rb.unreferenced_since_ms", "<=", cutoffs.graceMs)
    .executeTakeFirstOrThrow();
  const blobs = await db
    .selectFrom("blobs")
    .select((eb) => [eb.fn.countAll<number>().as("count"), eb.fn.sum<number>("size_bytes").as("bytes")])
    .where("unreferenced_since_ms", "is not", null)
    .executeTakeFirstOrThrow();
  const pending = await db
    .selectFrom("blob_deletions")
    .select((eb) => [eb.fn.countAll<number>().as("count"), eb.fn.sum<number>("size_bytes").as("bytes")])
    .executeTakeFirstOrThrow();
  return {
    manifests: Number(manifests.count),
    links: Number(links.count),
    blobs: Number(blobs.count),
    blobBytes: Number(blobs.bytes ?? 0),
    pendingDeletions: Number(pending.count),
    pendingDeletionBytes: Number(pending.bytes ?? 0),
  };
}
