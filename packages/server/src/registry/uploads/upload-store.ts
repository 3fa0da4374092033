import { type Digest, type DigestAlgorithm, parseDigest, parseDigestAlgorithm } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { type RawBuilder, sql } from "kysely";
import type { Clock } from "../../lib/clock.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { databaseNowMs } from "../../storage/database/database-now.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";
import { commitTogether, type Statement } from "../../storage/database/send-together.ts";
import { soundBlob } from "../blobs/linked-blob-store.ts";
import { repositoryIdOf } from "../repositories/repository-store.ts";

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

/** Writes an upload down, of nobody or of its first claimant. A row when it did: none when there is no such repository. */
export function insertUpload(
  tx: Tx,
  upload: Omit<Upload, "repositoryId"> & {
    readonly repository: RepositoryName;
    readonly nowMs: number;
    readonly begunWith: string | undefined;
    readonly claim: Claim | undefined;
  },
) {
  const { nowMs, claim } = upload;
  return tx
    .insertInto("uploads")
    .columns([
      "repository_id",
      "id",
      "algorithm",
      "offset_bytes",
      "digest_so_far",
      "committing_digest",
      "begun_with",
      "claimed_by",
      "claimed_until_ms",
      "created_at_ms",
      "updated_at_ms",
    ])
    .expression(
      repositoryIdOf(tx, upload.repository).select(({ val }) => [
        val(upload.id).as("id_of_upload"),
        val(upload.algorithm).as("algorithm"),
        val(upload.offsetBytes).as("offset_bytes"),
        val(upload.digestSoFar).as("digest_so_far"),
        val(upload.committing ?? null).as("committing_digest"),
        val(upload.begunWith ?? null).as("begun_with"),
        val(claim?.claimant ?? null).as("claimed_by"),
        (claim === undefined ? sql<number>`0` : claimEndOf(tx, claim)).as("claimed_until_ms"),
        val(nowMs).as("created_at_ms"),
        val(nowMs).as("updated_at_ms"),
      ]),
    )
    .returning(["repository_id", "claimed_until_ms"]);
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
  repository: RepositoryName,
  id: UploadId,
): Promise<Upload | undefined> {
  const row = await uploadOf(db, repository, id).executeTakeFirst();
  return row === undefined ? undefined : toUpload(row);
}

const columns = [
  "id",
  "repository_id",
  "algorithm",
  "offset_bytes",
  "digest_so_far",
  "committing_digest",
] as const;

function uploadOf(db: Queryable, repository: RepositoryName, id: UploadId) {
  return db
    .selectFrom("uploads")
    .select(columns)
    .where("id", "=", id)
    .where("repository_id", "=", repositoryIdOf(db, repository));
}

/** A claim from now on, for so long. */
export interface Claim {
  readonly claimant: string;
  /** By the clock of the process: when the upload was touched last. */
  readonly nowMs: number;
  readonly forMs: number;
  /** By which claims end; undefined = the database's clock, so that instances whose own clocks differ agree. */
  readonly claimClock: Clock | undefined;
}

function claimNow(db: Queryable, { claimClock }: Pick<Claim, "claimClock">): RawBuilder<number> {
  return claimClock === undefined ? databaseNowMs(db) : sql<number>`cast(${claimClock.nowMs()} as bigint)`;
}

function claimEndOf(db: Queryable, claim: Pick<Claim, "claimClock" | "forMs">): RawBuilder<number> {
  return sql<number>`${claimNow(db, claim)} + ${claim.forMs}`;
}

/**
 * Makes `claimant` the one writer of the upload for `forMs` and tells its state, in a transaction of one round trip; undefined when there is no such
 * upload in the repository, "held" when somebody else has it. A claimant may claim again. `triedBefore` is what an attempt before named to
 * close it with; `knownBlobId` the blob of `committing` that the registry has already, with sound bytes.
 */
export async function claimUpload(
  tx: Tx,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly committing?: Digest },
  claim: Claim,
): Promise<
  | {
      readonly upload: Upload;
      readonly triedBefore: Digest | undefined;
      readonly knownBlobId: number | undefined;
      readonly claimedUntilMs: number;
    }
  | "held"
  | undefined
> {
  const { repository, id, committing } = target;
  const [[found], [claimed], [known]] = await commitTogether(tx, [
    // Held, so that it is there, or is not, for the next statement as well.
    forUpdate(tx, uploadOf(tx, repository, id)),
    tx
      .updateTable("uploads")
      .set({
        claimed_by: claim.claimant,
        claimed_until_ms: claimEndOf(tx, claim),
        // Kept once set: bytes may lie in their final place since an attempt that broke off.
        ...(committing === undefined ? {} : { committing_digest: committing }),
        updated_at_ms: claim.nowMs,
      })
      .where("id", "=", id)
      .where("repository_id", "=", repositoryIdOf(tx, repository))
      .where(({ eb, or }) =>
        or([
          eb("claimed_by", "is", null),
          eb("claimed_by", "=", claim.claimant),
          eb("claimed_until_ms", "<=", claimNow(tx, claim)),
        ]),
      )
      .returning([...columns, "claimed_until_ms"]),
    soundBlob(tx, committing ?? ""),
  ]);
  if (found === undefined) return undefined;
  if (claimed === undefined) return "held";
  return {
    upload: toUpload(claimed),
    triedBefore: toUploadPlace(found).committing,
    knownBlobId: known?.id,
    claimedUntilMs: claimed.claimed_until_ms,
  };
}

/**
 * Asks the holder of an upload for it, who finds at the next renewal that the claim ends earlier than was written; see `claimEnd`. May be repeated. Nothing to do
 * when nobody holds it.
 */
export function askForUpload(tx: Tx, id: UploadId): Statement {
  return tx
    .updateTable("uploads")
    .set(({ eb }) => ({ claimed_until_ms: eb("claimed_until_ms", "-", 1) }))
    .where("id", "=", id)
    .where("claimed_by", "is not", null);
}

/** When the claim ends as it stands, held until the end of the transaction, so that it can be renewed knowing that. No row when it was lost. */
export function claimEnd(tx: Tx, id: UploadId, claimant: string) {
  return forUpdate(
    tx,
    tx
      .selectFrom("uploads")
      .select("claimed_until_ms as untilMs")
      .where("id", "=", id)
      .where("claimed_by", "=", claimant),
  );
}

/** Renews a claim and tells when it ends; no row when it was lost. Without `nowMs` it does not count as touched. */
export function renewClaim(
  tx: Tx,
  id: UploadId,
  claim: Omit<Claim, "nowMs"> & { readonly nowMs: number | undefined },
) {
  const touched = claim.nowMs === undefined ? {} : { updated_at_ms: claim.nowMs };
  return claimedUpload(tx, id, claim.claimant)
    .set({ claimed_until_ms: claimEndOf(tx, claim), ...touched })
    .returning("claimed_until_ms as untilMs");
}

/** Records what is durable now and gives the claim back. No row when the claim was lost meanwhile: then nothing is recorded. */
export function recordProgress(
  tx: Tx,
  id: UploadId,
  progress: {
    readonly claimant: string;
    readonly offsetBytes: number;
    readonly algorithm: DigestAlgorithm;
    readonly digestSoFar: string;
    readonly nowMs: number;
  },
) {
  return claimedUpload(tx, id, progress.claimant)
    .set({
      offset_bytes: progress.offsetBytes,
      algorithm: progress.algorithm,
      digest_so_far: progress.digestSoFar,
      updated_at_ms: progress.nowMs,
      claimed_by: null,
      claimed_until_ms: 0,
    })
    .returning("id");
}

/** Gives a claim back without recording anything; nothing to do when it was given back or lost before. */
export function releaseClaim(tx: Tx, id: UploadId, claimant: string): Statement {
  return claimedUpload(tx, id, claimant).set({ claimed_by: null, claimed_until_ms: 0 });
}

function claimedUpload(tx: Tx, id: UploadId, claimant: string) {
  return tx.updateTable("uploads").where("id", "=", id).where("claimed_by", "=", claimant);
}

/** Removes the row of an upload that `claimant` holds; no row when the claim was lost. */
export function deleteClaimedUpload(tx: Tx, id: UploadId, claimant: string) {
  return tx.deleteFrom("uploads").where("id", "=", id).where("claimed_by", "=", claimant).returning("id");
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
  expiry: Pick<Claim, "claimant" | "forMs" | "claimClock"> & {
    readonly beforeMs: number;
    readonly limit: number;
  },
): Promise<readonly (Pick<Upload, "id" | "committing"> & { readonly claimedUntilMs: number })[]> {
  const rows = await tx
    .updateTable("uploads")
    .set({ claimed_by: expiry.claimant, claimed_until_ms: claimEndOf(tx, expiry) })
    .where("id", "in", (query) =>
      query
        .selectFrom("uploads")
        .select("id")
        .where("updated_at_ms", "<", expiry.beforeMs)
        .where("claimed_until_ms", "<=", claimNow(tx, expiry))
        .orderBy("updated_at_ms")
        .limit(expiry.limit),
    )
    .where("claimed_until_ms", "<=", claimNow(tx, expiry))
    .returning(["id", "committing_digest", "claimed_until_ms"])
    .execute();
  return rows.map((row) => ({ ...toUploadPlace(row), claimedUntilMs: row.claimed_until_ms }));
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
