import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { previousStorageKeysOf, storageKeysOf } from "../config/storage-settings.ts";
import { AppError } from "../lib/app-error.ts";
import { silentLog } from "../lib/log.ts";
import { type MoveReport, moveBlobs } from "../operations/storage-move/move-blobs.ts";
import { openBlobStore } from "../storage/blob-store/open-blob-store.ts";
import { openStores } from "./open-stores.ts";

/** Moves all blobs from the storage before (`storage.previousUrl`) to the present one, while the registry runs. See `moveBlobs`. */
export async function moveStorage(options: {
  readonly configFile?: string;
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly onProgress: (moved: { readonly blobs: number; readonly bytes: number }) => void;
}): Promise<MoveReport> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const { storagePreviousUrl } = config;
  if (storagePreviousUrl === undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      "storage.previousUrl says where blobs are moved from, and is not set; docs/guide/move.md has the steps",
    );
  }
  const stores = await openStores(config, silentLog);
  try {
    const from = await openBlobStore(storagePreviousUrl, stores.clock, previousStorageKeysOf(config));
    const to = await openBlobStore(config.storageUrl, stores.clock, storageKeysOf(config));
    try {
      return await moveBlobs({ ...stores, from, to }, options);
    } finally {
      await from.close();
      await to.close();
    }
  } finally {
    await stores.close();
  }
}
