import type { Insertable } from "kysely";
import type { Tx } from "../database.ts";
import type { Tables } from "../tables.ts";

/** Rows that the tests of `storage/database` need; the features' own tests insert through their stores. */
export async function insertRepository(tx: Tx, name: string): Promise<number> {
  await tx
    .insertInto("namespaces")
    .values({
      name: "tests",
      kind: "organization",
      owner_user_id: null,
      default_visibility: "private",
      create_on_push: 1,
      created_at_ms: 0,
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const namespace = await tx.selectFrom("namespaces").select("id").executeTakeFirstOrThrow();
  const repository = await tx
    .insertInto("repositories")
    .values({ name, namespace_id: namespace.id, visibility: "private", created_at_ms: 0 })
    .returning("id")
    .executeTakeFirstOrThrow();
  return repository.id;
}

export async function insertManifest(
  tx: Tx,
  manifest: {
    readonly repositoryId: number;
    readonly digest: string;
    readonly body?: Uint8Array;
    readonly subject?: string;
  },
): Promise<number> {
  const body = manifest.body ?? Buffer.from("{}");
  const row: Insertable<Tables["manifests"]> = {
    repository_id: manifest.repositoryId,
    digest: manifest.digest,
    media_type: "application/vnd.oci.image.manifest.v1+json",
    artifact_type: null,
    subject_digest: manifest.subject ?? null,
    size_bytes: body.length,
    body,
    annotations: "{}",
    created_at_ms: 0,
    unreferenced_since_ms: null,
    orphaned: 0,
  };
  return (await tx.insertInto("manifests").values(row).returning("id").executeTakeFirstOrThrow()).id;
}

/** Links a blob, made when it is missing; tells the blob's id. */
export async function insertLinkedBlob(tx: Tx, repositoryId: number, digest: string): Promise<number> {
  const blob = await tx
    .insertInto("blobs")
    .values({ digest, size_bytes: 1, location: digest, created_at_ms: 0, unreferenced_since_ms: null })
    .onConflict((conflict) => conflict.column("digest").doUpdateSet({ size_bytes: 1 }))
    .returning("id")
    .executeTakeFirstOrThrow();
  await tx
    .insertInto("repository_blobs")
    .values({ repository_id: repositoryId, digest, blob_id: blob.id, unreferenced_since_ms: null })
    .execute();
  return blob.id;
}

export async function insertTag(
  tx: Tx,
  repositoryId: number,
  name: string,
  manifestId: number,
): Promise<void> {
  await tx
    .insertInto("tags")
    .values({ repository_id: repositoryId, name, manifest_id: manifestId, updated_at_ms: 0 })
    .execute();
}
