import type { Digest } from "@entrepot/oci/digest";
import type { Tx } from "../../storage/database/database.ts";

/**
 * What keeps a manifest: a tag, an index of the repository that lists it, or its subject being there. These functions keep
 * `unreferenced_since_ms` true in the transactions that make and break such holds, under the repository's lock.
 */

/** Whether a tag, an index or its subject holds the manifest now. */
export async function isHeld(tx: Tx, manifestId: number): Promise<boolean> {
  const row = await tx
    .selectFrom("manifests as m")
    .select("m.id")
    .where("m.id", "=", manifestId)
    .where(({ or, exists, selectFrom }) =>
      or([
        exists(selectFrom("tags as t").select("t.manifest_id").whereRef("t.manifest_id", "=", "m.id")),
        exists(
          selectFrom("manifest_references as mr")
            .select("mr.manifest_id")
            .whereRef("mr.repository_id", "=", "m.repository_id")
            .whereRef("mr.digest", "=", "m.digest"),
        ),
        exists(
          selectFrom("manifests as s")
            .select("s.id")
            .whereRef("s.repository_id", "=", "m.repository_id")
            .whereRef("s.digest", "=", "m.subject_digest"),
        ),
      ]),
    )
    .executeTakeFirst();
  return row !== undefined;
}

/** Clears the time of what a manifest that was just put holds: blobs and manifests it names, and its referrers. */
export async function holdReferences(
  tx: Tx,
  manifest: { readonly repositoryId: number; readonly digest: Digest; readonly names: readonly Digest[] },
): Promise<void> {
  const { repositoryId, digest, names } = manifest;
  if (names.length > 0) {
    await tx
      .updateTable("repository_blobs")
      .set({ unreferenced_since_ms: null })
      .where("repository_id", "=", repositoryId)
      .where("digest", "in", [...names])
      .where("unreferenced_since_ms", "is not", null)
      .execute();
    await tx
      .updateTable("manifests")
      .set({ unreferenced_since_ms: null, orphaned: 0 })
      .where("repository_id", "=", repositoryId)
      .where("digest", "in", [...names])
      .where("unreferenced_since_ms", "is not", null)
      .execute();
  }
  await tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: null, orphaned: 0 })
    .where("repository_id", "=", repositoryId)
    .where("subject_digest", "=", digest)
    .where("unreferenced_since_ms", "is not", null)
    .execute();
}

/** Clears the manifest's own time: it has a tag, a parent or a subject now. */
export async function holdManifest(tx: Tx, manifestId: number): Promise<void> {
  await tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: null, orphaned: 0 })
    .where("id", "=", manifestId)
    .where("unreferenced_since_ms", "is not", null)
    .execute();
}

/** Starts the manifest's time if nothing holds it. `orphaned`: it goes with a parent that was deleted. */
export async function releaseManifest(
  tx: Tx,
  manifest: { readonly id: number; readonly orphaned: boolean; readonly nowMs: number },
): Promise<void> {
  if (await isHeld(tx, manifest.id)) return;
  await tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: manifest.nowMs, ...(manifest.orphaned ? { orphaned: 1 } : {}) })
    .where("id", "=", manifest.id)
    .execute();
}

/**
 * Starts the time of what a manifest that was just deleted has held: blobs that no other manifest of the repository names, listed
 * manifests and referrers that nothing else holds.
 */
export async function releaseReferences(
  tx: Tx,
  deleted: {
    readonly repositoryId: number;
    readonly digest: Digest;
    readonly names: readonly Digest[];
    readonly nowMs: number;
  },
): Promise<void> {
  const { repositoryId, digest, names, nowMs } = deleted;
  if (names.length > 0) {
    await tx
      .updateTable("repository_blobs")
      .set({ unreferenced_since_ms: nowMs })
      .where("repository_id", "=", repositoryId)
      .where("digest", "in", [...names])
      .where("unreferenced_since_ms", "is", null)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("manifest_references as mr")
              .select("mr.manifest_id")
              .where("mr.repository_id", "=", repositoryId)
              .whereRef("mr.digest", "=", "repository_blobs.digest"),
          ),
        ),
      )
      .execute();
  }
  const loose = await tx
    .selectFrom("manifests")
    .select("id")
    .where("repository_id", "=", repositoryId)
    .where(({ eb, or }) =>
      or([eb("subject_digest", "=", digest), ...(names.length > 0 ? [eb("digest", "in", [...names])] : [])]),
    )
    .execute();
  for (const { id } of loose) await releaseManifest(tx, { id, orphaned: true, nowMs });
}
