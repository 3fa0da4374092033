import { type Digest, type DigestAlgorithm, parseDigest, parseDigestAlgorithm } from "@entrepot/oci/digest";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** An upload as SQL knows it: what it says is durable in the blob store. */
export interface Upload {
  readonly id: UploadId;
  readonly repositoryId: number;
  readonly algorithm: DigestAlgorithm;
  readonly offsetBytes: number;
  /** Hex digest of the first `offsetBytes` bytes by `algorithm`. */
  readonly digestSoFar: string;
  /** The digest that an attempt to close it named: the bytes may already lie in their final place. */
  readonly committing: Digest | undefined;
}

export async function insertUpload(
  tx: Tx,
  upload: Omit<Upload, "committing"> & { readonly nowMs: number; readonly begunWith?: string | undefined },
): Promise<void> {
  await tx
    .insertInto("uploads")
    .values({
      id: upload.id,
      repository_id: upload.repositoryId,
      algorithm: upload.algorithm,
      offset_bytes: upload.offsetBytes,
      digest_so_far: upload.digestSoFar,
      committing_digest: null,
      begun_with: upload.begunWith ?? null,
      claimed_by: null,
      claimed_until_ms: 0,
      created_at_ms: upload.nowMs,
      updated_at_ms: upload.nowMs,
    })
    .execute();
}

/** Whether that upload of that repository was begun with the bearer token of that mark. */
export async function wasBegunWith(
  db: Queryable,
  upload: { readonly repository: string; readonly id: string; readonly mark: string },
): Promise<boolean> {
  const row = await db
    .selectFrom("uploads as u")
    .innerJoin("repositories as r", "r.id", "u.repository_id")
    .select("u.id")
    .where("u.id", "=", upload.id)
    .where("r.name", "=", upload.repository)
    .where("u.begun_with", "=", upload.mark)
    .executeTakeFirst();
  return row !== undefined;
}

export async function findUpload(
  db: Queryable,
  repository: string,
  id: UploadId,
): Promise<Upload | undefined> {
  const row = await db
    .selectFrom("uploads as u")
    .innerJoin("repositories as r", "r.id", "u.repository_id")
    .select([
      "u.id",
      "u.repository_id",
      "u.algorithm",
      "u.offset_bytes",
      "u.digest_so_far",
      "u.committing_digest",
    ])
    .where("u.id", "=", id)
    .where("r.name", "=", repository)
    .executeTakeFirst();
  return row === undefined ? undefined : toUpload(row);
}

/**
 * Makes `claimant` the one writer until `untilMs` and tells the upload's state; undefined when it is gone or somebody else
 * holds it. A claimant may claim again.
 */
export async function claimUpload(
  tx: Tx,
  id: UploadId,
  claim: {
    readonly claimant: string;
    readonly nowMs: number;
    readonly untilMs: number;
    readonly committingDigest: Digest | undefined;
  },
): Promise<Upload | undefined> {
  const row = await tx
    .updateTable("uploads")
    .set({
      claimed_by: claim.claimant,
      claimed_until_ms: claim.untilMs,
      // Kept once set: bytes may lie in their final place since an attempt that broke off.
      ...(claim.committingDigest === undefined ? {} : { committing_digest: claim.committingDigest }),
      updated_at_ms: claim.nowMs,
    })
    .where("id", "=", id)
    .where(({ eb, or }) =>
      or([
        eb("claimed_by", "is", null),
        eb("claimed_by", "=", claim.claimant),
        eb("claimed_until_ms", "<=", claim.nowMs),
      ]),
    )
    .returning(["id", "repository_id", "algorithm", "offset_bytes", "digest_so_far", "committing_digest"])
    .executeTakeFirst();
  return row === undefined ? undefined : toUpload(row);
}

/** Renews a claim; false when it was lost. */
export async function renewClaim(
  tx: Tx,
  id: UploadId,
  claim: { readonly claimant: string; readonly nowMs: number; readonly untilMs: number },
): Promise<boolean> {
  const result = await tx
    .updateTable("uploads")
    .set({ claimed_until_ms: claim.untilMs, updated_at_ms: claim.nowMs })
    .where("id", "=", id)
    .where("claimed_by", "=", claim.claimant)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Records what is durable now; the claim stays. False when the claim was lost meanwhile: then nothing is recorded. */
export async function recordProgress(
  tx: Tx,
  id: UploadId,
  progress: {
    readonly claimant: string;
    readonly offsetBytes: number;
    readonly algorithm: DigestAlgorithm;
    readonly digestSoFar: string;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const result = await tx
    .updateTable("uploads")
    .set({
      offset_bytes: progress.offsetBytes,
      algorithm: progress.algorithm,
      digest_so_far: progress.digestSoFar,
      updated_at_ms: progress.nowMs,
    })
    .where("id", "=", id)
    .where("claimed_by", "=", progress.claimant)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Gives a claim back without recording anything; nothing to do when it was given back or lost before. */
export async function releaseClaim(tx: Tx, id: UploadId, claimant: string): Promise<void> {
  await tx
    .updateTable("uploads")
    .set({ claimed_by: null, claimed_until_ms: 0 })
    .where("id", "=", id)
    .where("claimed_by", "=", claimant)
    .execute();
}

/** Removes the row of an upload that `claimant` holds; false when the claim was lost. */
export async function deleteClaimedUpload(tx: Tx, id: UploadId, claimant: string): Promise<boolean> {
  const result = await tx
    .deleteFrom("uploads")
    .where("id", "=", id)
    .where("claimed_by", "=", claimant)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Gives up claims of a process that is known to be gone, so that its clients can resume at once. */
export async function releaseClaimsOf(tx: Tx, where: { readonly notClaimedBy: string }): Promise<void> {
  await tx
    .updateTable("uploads")
    .set({ claimed_by: null, claimed_until_ms: 0 })
    .where("claimed_by", "is not", null)
    .where("claimed_by", "not like", `${where.notClaimedBy}:%`)
    .execute();
}

/** Claims up to `limit` uploads that nobody has touched since `beforeMs`, for their removal. */
export async function claimExpiredUploads(
  tx: Tx,
  expiry: {
    readonly beforeMs: number;
    readonly claimant: string;
    readonly nowMs: number;
    readonly untilMs: number;
    readonly limit: number;
  },
): Promise<readonly Pick<Upload, "id" | "committing">[]> {
  const rows = await tx
    .updateTable("uploads")
    .set({ claimed_by: expiry.claimant, claimed_until_ms: expiry.untilMs })
    .where("id", "in", (query) =>
      query
        .selectFrom("uploads")
        .select("id")
        .where("updated_at_ms", "<", expiry.beforeMs)
        .where("claimed_until_ms", "<=", expiry.nowMs)
        .orderBy("updated_at_ms")
        .limit(expiry.limit),
    )
    .where("claimed_until_ms", "<=", expiry.nowMs)
    .returning(["id", "committing_digest"])
    .execute();
  return rows.map(toUploadPlace);
}

function toUploadPlace(row: {
  readonly id: string;
  readonly committing_digest: string | null;
}): Pick<Upload, "id" | "committing"> {
  return {
    id: row.id as UploadId, // as: only ids made by newUploadId are stored
    committing: row.committing_digest === null ? undefined : parseDigest(row.committing_digest),
  };
}

function toUpload(row: {
  readonly id: string;
  readonly repository_id: number;
  readonly algorithm: string;
  readonly offset_bytes: number;
  readonly digest_so_far: string;
  readonly committing_digest: string | null;
}): Upload {
  return {
    ...toUploadPlace(row),
    repositoryId: row.repository_id,
    algorithm: parseDigestAlgorithm(row.algorithm),
    offsetBytes: row.offset_bytes,
    digestSoFar: row.digest_so_far,
  };
}

/** The uploads under way in a repository. */
export async function listUploadsOf(
  tx: Tx,
  repositoryId: number,
): Promise<readonly Pick<Upload, "id" | "committing">[]> {
  const rows = await tx
    .selectFrom("uploads")
    .select(["id", "committing_digest"])
    .where("repository_id", "=", repositoryId)
    .execute();
  return rows.map(toUploadPlace);
}
