import { resolve } from "node:path";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { BlobStore } from "./blob-store.ts";

/**
 * Opens the blob store that a url names: `file:PATH`, made when missing, or `memory:`. Drivers are loaded only when they are used.
 * `REQUEST_INVALID` for any other url; never quotes it, as urls may carry keys.
 */
export async function openBlobStore(url: string, clock: Clock): Promise<BlobStore> {
  if (url === "memory:") {
    const { createMemoryBlobStore } = await import("./memory/memory-blob-store.ts");
    return createMemoryBlobStore(clock);
  }
  if (url.startsWith("file:") && url.length > "file:".length) {
    const { openFilesystemBlobStore } = await import("./filesystem/filesystem-blob-store.ts");
    return openFilesystemBlobStore(resolve(url.slice("file:".length).replace(/^\/\/(?=\/)/, "")));
  }
  throw new AppError(
    "REQUEST_INVALID",
    "a storage url is file:PATH, such as file:/var/lib/entrepot/storage, or memory:",
  );
}
