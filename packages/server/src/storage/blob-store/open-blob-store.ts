import { resolve } from "node:path";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { BlobStore } from "./blob-store.ts";
import type { StorageSignIn } from "./objects/storage-keys.ts";
import { openObjectMedium } from "./open-object-medium.ts";

/**
 * Opens the blob store that a url names: `file:PATH`, made when missing, `s3://BUCKET/PREFIX`, `swift://CONTAINER/PREFIX`, `azure://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, or `memory:`. Drivers are loaded only when they
 * are used. `REQUEST_INVALID` for any other url; never quotes it, as urls may carry keys. An object store is not asked anything yet.
 */
export async function openBlobStore(url: string, clock: Clock, signIn?: StorageSignIn): Promise<BlobStore> {
  if (url === "memory:") {
    const { createMemoryBlobStore } = await import("./memory/memory-blob-store.ts");
    return createMemoryBlobStore(clock);
  }
  if (url.startsWith("file:") && url.length > "file:".length) {
    const { openFilesystemBlobStore } = await import("./filesystem/filesystem-blob-store.ts");
    return openFilesystemBlobStore(resolve(url.slice("file:".length).replace(/^\/\/(?=\/)/, "")));
  }
  const medium = await openObjectMedium(url, signIn, clock);
  if (medium !== undefined) {
    const { createObjectBlobStore } = await import("./objects/object-blob-store.ts");
    return createObjectBlobStore(medium);
  }
  throw new AppError(
    "REQUEST_INVALID",
    "a storage url is file:PATH, such as file:/var/lib/entrepot/storage, s3:// or gs://BUCKET/PREFIX, swift:// or azure://CONTAINER/PREFIX, or memory:",
  );
}
