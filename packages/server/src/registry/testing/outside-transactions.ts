import { AsyncLocalStorage } from "node:async_hooks";
import type { Digest } from "@entrepot/oci/digest";
import type {
  BlobLocation,
  BlobStore,
  BlobWriter,
  MayChange,
  UploadId,
} from "../../storage/blob-store/blob-store.ts";
import type { Database } from "../../storage/database/database.ts";

/** Knows, wherever it is asked, whether the code that asks runs on behalf of a transaction that is open. */
export function markTransactions(database: Database): {
  readonly database: Database;
  readonly isInTransaction: () => boolean;
} {
  const inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  return {
    isInTransaction: () => inside.getStore()?.isOpen === true,
    database: {
      ...database,
      transaction: (work, options) =>
        database.transaction((tx) => {
          const mark = { isOpen: true };
          return inside.run(mark, async () => {
            try {
              return await work(tx);
            } finally {
              mark.isOpen = false;
            }
          });
        }, options),
    },
  };
}

/** A store that refuses every call made inside a transaction: no connection is held across other input or output. */
export function outsideTransactions(store: BlobStore, isInTransaction: () => boolean): BlobStore {
  function check(operation: string): void {
    if (isInTransaction()) throw new Error(`${operation} of the blob store is called in a transaction`);
  }
  const checked =
    <A extends readonly unknown[], R>(operation: string, call: (...values: A) => Promise<R>) =>
    async (...values: A): Promise<R> => {
      check(operation);
      return call(...values);
    };
  const wrapWriter = (writer: BlobWriter): BlobWriter => ({
    append: checked("append", (chunks: readonly Uint8Array[]) => writer.append(chunks)),
    sync: checked("sync", () => writer.sync()),
    close: () => writer.close(),
  });
  return {
    ...store,
    openUpload: checked("openUpload", async (id: UploadId, offsetBytes: number, mayChange?: MayChange) =>
      wrapWriter(await store.openUpload(id, offsetBytes, mayChange)),
    ),
    openUploadForReading: checked("openUploadForReading", (id: UploadId, sizeBytes: number) =>
      store.openUploadForReading(id, sizeBytes),
    ),
    commitUpload: checked("commitUpload", (id: UploadId, digest: Digest, sizeBytes: number) =>
      store.commitUpload(id, digest, sizeBytes),
    ),
    discardUpload: checked("discardUpload", (id: UploadId, digest?: Digest, mayChange?: MayChange) =>
      store.discardUpload(id, digest, mayChange),
    ),
    openBlob: checked("openBlob", (location: BlobLocation) => store.openBlob(location)),
    deleteBlob: checked("deleteBlob", (location: BlobLocation) => store.deleteBlob(location)),
    probe: checked("probe", () => store.probe()),
  };
}
