import type { Digest } from "@entrepot/oci/digest";
import type { ExpressionBuilder } from "kysely";
import type { Tx } from "../../storage/database/database.ts";
import type { Statement } from "../../storage/database/send-together.ts";
import type { Tables } from "../../storage/database/tables.ts";

/**
 * What keeps a manifest: a tag, an index of the repository that lists it, or its subject being there. These functions keep
 * `unreferenced_since_ms` true in the transactions that make and break such holds, under the repository's lock.
 */

/** Whether a tag, an index or its subject holds the manifest of the row. */
function heldBySomething({ or, exists, selectFrom }: ExpressionBuilder<Tables, "manifests">) {
  return or([
    exists(selectFrom("tags as t").select("t.manifest_id").whereRef("t.manifest_id", "=", "manifests.id")),
    exists(
      selectFrom("manifest_references as mr")
        .select("mr.manifest_id")
        .whereRef("mr.repository_id", "=", "manifests.repository_id")
        .whereRef("mr.digest", "=", "manifests.digest"),
    ),
    exists(
      selectFrom("manifests as s")
        .select("s.id")
        .whereRef("s.repository_id", "=", "manifests.repository_id")
        .whereRef("s.digest", "=", "manifests.subject_digest"),
    ),
  ]);
}

/** Whether a tag, an index or its subject holds the manifest now. */
export async function isHeld(tx: Tx, manifestId: number): Promise<boolean> {
  const query = tx.selectFrom("manifests").select("id").where("id", "=", manifestId).where(heldBySomething);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Clears the time of what a manifest that was just put holds: blobs and manifests it names, and its referrers. */
export function holdReferences(
  tx: Tx,
  manifest: { readonly repositoryId: number; readonly digest: Digest; readonly names: readonly Digest[] },
): readonly Statement[] {
  const { repositoryId, digest, names } = manifest;
  const manifests = tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: null, orphaned: 0 })
    .where("repository_id", "=", repositoryId)
    .where("unreferenced_since_ms", "is not", null);
  const referrers = manifests.where("subject_digest", "=", digest);
  if (names.length === 0) return [referrers];
  const blobs = tx
    .updateTable("repository_blobs")
    .set({ unreferenced_since_ms: null })
    .where("repository_id", "=", repositoryId)
    .where("digest", "in", [...names])
    .where("unreferenced_since_ms", "is not", null);
  return [blobs, manifests.where("digest", "in", [...names]), referrers];
}

/** Clears the manifest's own time if something holds it: an index of the repository that came first, or its subject. */
export function holdIfHeld(
  tx: Tx,
  manifest: { readonly repositoryId: number; readonly digest: Digest },
): Statement {
  return tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: null, orphaned: 0 })
    .where("repository_id", "=", manifest.repositoryId)
    .where("digest", "=", manifest.digest)
    .where("unreferenced_since_ms", "is not", null)
    .where(heldBySomething);
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

/** Starts the time of those of the manifests that nothing holds. `orphaned`: they go with a parent that was deleted. */
export function releaseManifests(
  tx: Tx,
  manifests: { readonly ids: readonly number[]; readonly orphaned: boolean; readonly nowMs: number },
) {
  return tx
    .updateTable("manifests")
    .set({ unreferenced_since_ms: manifests.nowMs, ...(manifests.orphaned ? { orphaned: 1 } : {}) })
    .where("id", "in", [...manifests.ids])
    .where((eb) => eb.not(heldBySomething(eb)));
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
  if (loose.length === 0) return;
  await releaseManifests(tx, { ids: loose.map(({ id }) => id), orphaned: true, nowMs }).execute();
}
