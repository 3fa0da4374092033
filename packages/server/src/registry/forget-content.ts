import type { RegistryDeps } from "./registry-deps.ts";

/**
 * What was kept of content is dropped, here at once and before the reply in every other process: who is told that something is gone, or has another name, finds
 * it so wherever the next request goes. Called after the commit of the transaction that took it away.
 *
 * Everything is dropped: any number of tags may have pointed to a manifest, and blobs that it named have lost their name, so that a HEAD that believes the cached
 * one would not start their time anew.
 */
export async function forgetContent(
  deps: Pick<RegistryDeps, "database" | "manifestCache" | "blobCache">,
): Promise<void> {
  deps.manifestCache.clear();
  deps.blobCache.links.clear();
  await deps.database.heardByAll();
}
