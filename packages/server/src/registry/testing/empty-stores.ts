import type { BlobLocation, UploadId } from "../../storage/blob-store/blob-store.ts";
import type { TestRegistry } from "./open-test-registry.ts";

/** Everything as it was when the registry was opened, for loops that run hundreds of times: a new database takes longer. */
export async function emptyStores({ database, blobs }: TestRegistry): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.deleteFrom("tags").execute();
    await tx.deleteFrom("repositories").execute();
    for (const table of ["blobs", "blob_deletions", "events", "leases", "namespaces"] as const) {
      await tx.deleteFrom(table).execute();
    }
  });
  for await (const { kind, name } of blobs.list()) {
    // as: the store's own words
    if (kind === "blob") await blobs.deleteBlob(name as BlobLocation);
    else await blobs.discardUpload(name as UploadId);
  }
}
