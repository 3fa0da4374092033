import { setImmediate as letOthers } from "node:timers/promises";
import { type Digest, parseDigest } from "@entrepot/oci/digest";
import { sql } from "kysely";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { oneOfIds } from "../../storage/database/one-of-ids.ts";
import { forUpdate, skipLocked } from "../../storage/database/row-locks.ts";
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

/** Candidates of a span of time. */
export interface CandidateQuery {
  readonly fromMs: number;
  readonly beforeMs: number;
  readonly limit: number;
}

export interface LinkCandidate {
  readonly repositoryId: number;
  readonly digest: string;
  readonly sinceMs: number;
}

/** Links that no manifest has named since `beforeMs`, longest first; only those since `fromMs`. */
export async function listLinkCandidates(
  db: Queryable,
  query: CandidateQuery,
): Promise<readonly LinkCandidate[]> {
  const rows = await db
    .selectFrom("repository_blobs")
    .select(["repository_id", "digest", "unreferenced_since_ms"])
    .where("unreferenced_since_ms", ">=", query.fromMs)
    .where("unreferenced_since_ms", "<=", query.beforeMs)
    .orderBy("unreferenced_since_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    repositoryId: row.repository_id,
    digest: row.digest,
    sinceMs: row.unreferenced_since_ms ?? 0,
  }));
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
  await letOthers();
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
  readonly sinceMs: number;
}

/** Blobs that no repository linked when they were last looked at, longest first; only those since `fromMs`. */
export async function listBlobCandidates(
  db: Queryable,
  query: CandidateQuery,
): Promise<readonly BlobCandidate[]> {
  const rows = await db
    .selectFrom("blobs")
    .select(["id", "unreferenced_since_ms"])
    .where("unreferenced_since_ms", ">=", query.fromMs)
    .where("unreferenced_since_ms", "<=", query.beforeMs)
    .orderBy("unreferenced_since_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({ id: row.id, sinceMs: row.unreferenced_since_ms ?? 0 }));
}

/**
 * Deletes those blobs that no repository links and that are candidates still, and writes their bytes down for removal. Those that are linked after all are
 * candidates no more. Those that somebody else holds at this moment, because they are pushed or mounted again, are passed over: a push waits for
 * nobody here longer than four statements take, and nobody here waits for a push.
 */
export async function deleteUnlinkedBlobs(
  tx: Tx,
  ids: readonly number[],
  times: { readonly beforeMs: number; readonly notBeforeMs: number },
): Promise<{ readonly deleted: number; readonly revived: number }> {
  const candidates = tx
    .selectFrom("blobs")
    .select("id")
    .where(sql<boolean>`id ${oneOfIds(tx, ids)}`)
    .where("unreferenced_since_ms", "<=", times.beforeMs);
  // Locked first: a link that comes now waits, and those that came before are seen by the statements below.
  const held = (await skipLocked(tx, forUpdate(tx, candidates)).execute()).map(({ id }) => id);
  if (held.length === 0) return { deleted: 0, revived: 0 };
  await letOthers();
  const isOneOfThem = sql<boolean>`blobs.id ${oneOfIds(tx, held)}`;
  const revived = await tx
    .updateTable("blobs")
    .set({ unreferenced_since_ms: null })
    .where(isOneOfThem)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("repository_blobs as rb").select("rb.blob_id").whereRef("rb.blob_id", "=", "blobs.id"),
      ),
    )
    .executeTakeFirst();
  await letOthers();
  await tx
    .insertInto("blob_deletions")
    .columns(["location", "digest", "size_bytes", "not_before_ms"])
    .expression((eb) =>
      eb
        .selectFrom("blobs")
        .select([
          "location",
          "digest",
          "size_bytes",
          sql<number>`cast(${times.notBeforeMs} as bigint)`.as("ms"),
        ])
        .where(isOneOfThem)
        .where("unreferenced_since_ms", "is not", null),
    )
    .onConflict((conflict) => conflict.column("location").doNothing())
    .execute();
  await letOthers();
  const deleted = await tx
    .deleteFrom("blobs")
    .where(isOneOfThem)
    .where("unreferenced_since_ms", "is not", null)
    .executeTakeFirst();
  return { deleted: Number(deleted.numDeletedRows), revived: Number(revived.numUpdatedRows) };
}

export interface PendingDeletion {
  readonly location: BlobLocation;
  readonly sizeBytes: number;
  readonly notBeforeMs: number;
}

/** Bytes whose time to be removed has come, since `fromMs`; none while somebody holds them. In one statement: a hold made before it counts. */
export async function listPendingDeletions(
  db: Queryable,
  query: { readonly fromMs: number; readonly nowMs: number; readonly limit: number },
): Promise<readonly PendingDeletion[]> {
  const rows = await db
    .selectFrom("blob_deletions")
    .select(["location", "size_bytes", "not_before_ms"])
    .where("not_before_ms", ">=", query.fromMs)
    .where("not_before_ms", "<=", query.nowMs)
    .where(({ not, exists }) => not(exists(holds(db, query.nowMs))))
    .orderBy("not_before_ms")
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    location: row.location as BlobLocation, // as: written by a driver's commitUpload
    sizeBytes: row.size_bytes,
    notBeforeMs: row.not_before_ms,
  }));
}

export async function forgetDeletions(tx: Tx, locations: readonly BlobLocation[]): Promise<void> {
  if (locations.length === 0) return;
  await tx
    .deleteFrom("blob_deletions")
    .where("location", "in", [...locations])
    .execute();
}

/** Lets bytes that could not be removed wait until then, behind all that others ask for. */
export async function postponeDeletions(
  tx: Tx,
  locations: readonly BlobLocation[],
  untilMs: number,
): Promise<void> {
  if (locations.length === 0) return;
  await tx
    .updateTable("blob_deletions")
    .set({ not_before_ms: untilMs })
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
    .selectFrom("repository_blobs")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("unreferenced_since_ms", "<=", cutoffs.graceMs)
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
