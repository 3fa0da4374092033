import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { ListedRepository, ReadableRepositories } from "../../access/access.ts";
import { readableCandidates } from "../../access/readable-store.ts";
import { toVisibility } from "../../access/rights-store.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import { compiledQuery } from "../../storage/database/compiled-query.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { forKeyShare, forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";
import type { Statement } from "../../storage/database/send-together.ts";
import type { LinkedBlob } from "./blob-cache.ts";

const inRepository = compiledQuery((db, [digest, repository]: readonly [string, string]) =>
  db
    .selectFrom("repositories as r")
    .innerJoin("repository_blobs as rb", (join) =>
      join.onRef("rb.repository_id", "=", "r.id").on("rb.digest", "=", digest),
    )
    .innerJoin("blobs as b", "b.id", "rb.blob_id")
    .where("r.name", "=", repository)
    .where("b.quarantined_at_ms", "is", null)
    .select(["b.size_bytes", "b.location", "rb.unreferenced_since_ms", "rb.repository_id"]),
);

/** The blob as it can be read in the repository of that name; undefined when it is not linked there. */
export async function findLinkedBlob(
  db: Queryable,
  repository: string,
  digest: Digest,
): Promise<LinkedBlob | undefined> {
  const [row] = await inRepository(db, [digest, repository]);
  if (row === undefined) return undefined;
  return {
    digest,
    sizeBytes: row.size_bytes,
    // Written by a driver's commitUpload, see insertBlob.
    location: row.location as BlobLocation,
    unreferencedSinceMs: row.unreferenced_since_ms ?? undefined,
    repositoryId: row.repository_id,
  };
}

/** The id of a blob that some repository holds or held, with sound bytes; it may be about to go, so link it in a transaction. */
export async function findBlobId(db: Queryable, digest: Digest): Promise<number | undefined> {
  return (await soundBlob(db, digest).executeTakeFirst())?.id;
}

/** As `findBlobId`, for a transaction that sends its statements together. */
export function soundBlob(db: Queryable, digest: string) {
  return db
    .selectFrom("blobs")
    .select("id")
    .where("digest", "=", digest)
    .where("quarantined_at_ms", "is", null);
}

/**
 * Makes a blob known, or finds the one that was known before. Tells the location that is kept: when it is not the one given, the
 * caller's bytes are surplus. One in quarantine takes the bytes that come. Clears the blob's candidacy for collection.
 */
export function insertBlob(
  tx: Tx,
  blob: {
    readonly digest: Digest;
    readonly sizeBytes: number;
    readonly location: BlobLocation;
    readonly nowMs: number;
  },
) {
  return tx
    .insertInto("blobs")
    .values({
      digest: blob.digest,
      size_bytes: blob.sizeBytes,
      location: blob.location,
      created_at_ms: blob.nowMs,
      unreferenced_since_ms: null,
    })
    .onConflict((conflict) =>
      conflict.column("digest").doUpdateSet(({ ref, eb }) => ({
        unreferenced_since_ms: null,
        location: eb
          .case()
          .when("blobs.quarantined_at_ms", "is", null)
          .then(ref("blobs.location"))
          .else(ref("excluded.location"))
          .end(),
        quarantined_at_ms: null,
      })),
    )
    .returning(["id", "location"]);
}

/** Takes a blob back from the collector's candidates; no row when it has just been collected, or has come into quarantine. */
export function reviveBlob(tx: Tx, blobId: number) {
  return tx
    .updateTable("blobs")
    .set({ unreferenced_since_ms: null })
    .where("id", "=", blobId)
    .where("quarantined_at_ms", "is", null)
    .returning("id");
}

/** As `findBlobId`, and keeps the blob from being collected until the transaction ends. */
export function holdSoundBlob(tx: Tx, digest: Digest) {
  return forNoKeyUpdate(tx, soundBlob(tx, digest));
}

/**
 * Makes the blob readable in the repository, if it is there and its bytes are sound. Until a manifest names it, its time runs from now (again, when it was linked
 * before); a manifest that named the digest before it came (sparse) counts at once, and stays until the transaction ends: else who deletes it would not see this
 * link, or would be overwritten, and the link would stay without its time.
 */
export function linkBlob(
  tx: Tx,
  link: {
    readonly repositoryId: number;
    readonly digest: Digest;
    readonly blobId: number;
    readonly nowMs: number;
  },
): Statement {
  const { repositoryId, digest } = link;
  const linked = tx
    .selectFrom("blobs as b")
    .where("b.id", "=", link.blobId)
    .where("b.quarantined_at_ms", "is", null)
    .select(({ val, eb, exists, selectFrom }) => [
      "b.id as blob_id",
      val(repositoryId).as("repository_id"),
      val(digest).as("digest"),
      eb
        .case()
        .when(
          exists(
            forKeyShare(
              tx,
              selectFrom("manifest_references as mr")
                .select("mr.manifest_id")
                .where("mr.repository_id", "=", repositoryId)
                .where("mr.digest", "=", digest),
            ),
          ),
        )
        .then(null)
        .else(eb.cast(val(link.nowMs), "bigint"))
        .end()
        .as("unreferenced_since_ms"),
    ]);
  return tx
    .insertInto("repository_blobs")
    .columns(["blob_id", "repository_id", "digest", "unreferenced_since_ms"])
    .expression(linked)
    .onConflict((conflict) =>
      conflict
        .columns(["repository_id", "digest"])
        .doUpdateSet(({ ref }) => ({ unreferenced_since_ms: ref("excluded.unreferenced_since_ms") })),
    );
}

/** Starts the time of an unreferenced link anew, because a client has just been told that the blob is there. */
export async function touchLink(
  tx: Tx,
  link: { readonly repositoryId: number; readonly digest: Digest; readonly nowMs: number },
): Promise<void> {
  await tx
    .updateTable("repository_blobs")
    .set({ unreferenced_since_ms: link.nowMs })
    .where("repository_id", "=", link.repositoryId)
    .where("digest", "=", link.digest)
    .where("unreferenced_since_ms", "is not", null)
    .execute();
}

/** A manifest of the repository that names the digest, if there is one. */
export async function findManifestNaming(
  tx: Tx,
  repositoryId: number,
  digest: Digest,
): Promise<Digest | undefined> {
  const row = await tx
    .selectFrom("manifest_references as mr")
    .innerJoin("manifests as m", "m.id", "mr.manifest_id")
    .select("m.digest")
    .where("mr.repository_id", "=", repositoryId)
    .where("mr.digest", "=", digest)
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : parseDigest(row.digest);
}

/**
 * Takes the blob out of the repository, which the caller holds (`lockRepositoryForDelete`); false when it was not there. The blob's own time starts if this was
 * its last link.
 */
export async function unlinkBlob(
  tx: Tx,
  link: { readonly repositoryId: number; readonly digest: Digest; readonly nowMs: number },
): Promise<boolean> {
  const blobIds = await holdLinkedBlobs(tx, { repositoryId: link.repositoryId, digests: [link.digest] });
  if (blobIds.length === 0) return false;
  await tx
    .deleteFrom("repository_blobs")
    .where("repository_id", "=", link.repositoryId)
    .where("digest", "=", link.digest)
    .execute();
  await markUnlinkedBlobs(tx, blobIds, link.nowMs);
  await sendNotice(tx, "removal");
  return true;
}

/**
 * The blobs that lie under these digests in a repository that the caller holds, kept from being linked or unlinked elsewhere until the transaction ends: whoever
 * removes links takes the blobs first, as whoever links one does.
 */
export async function holdLinkedBlobs(
  tx: Tx,
  links: { readonly repositoryId: number; readonly digests: readonly string[] },
): Promise<readonly number[]> {
  const linked = tx
    .selectFrom("repository_blobs")
    .select("blob_id")
    .where("repository_id", "=", links.repositoryId)
    .where("digest", "in", [...links.digests]);
  // In one order, so that nobody waits for each other crosswise.
  const blobs = tx.selectFrom("blobs").select("id").where("id", "in", linked).orderBy("id");
  return (await forNoKeyUpdate(tx, blobs).execute()).map(({ id }) => id);
}

/** Starts the time of those of the blobs, given by rising ids, that no repository links any more. */
export async function markUnlinkedBlobs(tx: Tx, blobIds: readonly number[], nowMs: number): Promise<void> {
  if (blobIds.length === 0) return;
  // Of two that take the last links at once, neither sees what the other does: so one after the other, and the second looks when the first is done.
  const held = tx
    .selectFrom("blobs")
    .select("id")
    .where("id", "in", [...blobIds])
    .orderBy("id");
  if (engineOf(tx) === "postgres") await forNoKeyUpdate(tx, held).execute();
  await tx
    .updateTable("blobs")
    .set({ unreferenced_since_ms: nowMs })
    .where("id", "in", [...blobIds])
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

/** Up to `limit` repositories that link the blob and are candidates for being readable, by id after `afterId`. */
export async function listLinkingRepositories(
  db: Queryable,
  blobId: number,
  readable: ReadableRepositories,
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly ListedRepository[]> {
  const rows = await db
    .selectFrom("repositories as r")
    .innerJoin("repository_blobs as rb", "rb.repository_id", "r.id")
    .select(["r.id", "r.name", "r.namespace_id", "r.visibility"])
    .where(readableCandidates(readable))
    .where("rb.blob_id", "=", blobId)
    .where("r.id", ">", page.afterId)
    .orderBy("r.id")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    namespaceId: row.namespace_id,
    visibility: toVisibility(row.visibility),
  }));
}

/** Writes down bytes that are to be removed from the blob store once nobody can be reading them any more. */
export function scheduleBlobDeletion(
  tx: Tx,
  blob: {
    readonly location: BlobLocation;
    readonly digest: Digest;
    readonly sizeBytes: number;
    readonly notBeforeMs: number;
  },
) {
  return tx
    .insertInto("blob_deletions")
    .values({
      location: blob.location,
      digest: blob.digest,
      size_bytes: blob.sizeBytes,
      not_before_ms: blob.notBeforeMs,
    })
    .onConflict((conflict) => conflict.column("location").doNothing());
}

/** The blobs that a repository links, by id. */
export async function listLinkedBlobIds(tx: Tx, repositoryId: number): Promise<readonly number[]> {
  const rows = await tx
    .selectFrom("repository_blobs")
    .select("blob_id")
    .where("repository_id", "=", repositoryId)
    .orderBy("blob_id")
    .execute();
  return rows.map((row) => row.blob_id);
}
