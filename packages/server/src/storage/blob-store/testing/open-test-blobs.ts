import { randomBytes } from "node:crypto";
import type { Clock } from "../../../lib/clock.ts";
import type { BlobStore } from "../blob-store.ts";
import { createMemoryBlobStore } from "../memory/memory-blob-store.ts";
import { openBlobStore } from "../open-blob-store.ts";

/**
 * The store that tests of other areas work with: in memory; or, where ENTREPOT_TEST_STORAGE_URL names an object store
 * (with ENTREPOT_TEST_STORAGE_KEYS, "key secret"), a new prefix of it.
 */
export async function openTestBlobs(clock: Clock): Promise<BlobStore> {
  // oxlint-disable-next-line node/no-process-env -- how `test/object-storage` runs these suites over a real object store
  const { ENTREPOT_TEST_STORAGE_URL: url, ENTREPOT_TEST_STORAGE_KEYS: keys } = process.env;
  if (url === undefined) return createMemoryBlobStore(clock);
  const [accessKey = "", secretKey = ""] = (keys ?? "").split(" ");
  const place = new URL(url);
  place.pathname = `/${randomBytes(6).toString("hex")}`;
  return openBlobStore(place.href, clock, { accessKey, secretKey, sessionToken: undefined });
}
