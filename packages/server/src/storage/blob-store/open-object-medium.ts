import type { ObjectMedium } from "./objects/object-medium.ts";
import type { StorageKeys } from "./objects/storage-keys.ts";

/**
 * The object store that a url names; undefined when it names none. Drivers are loaded only when they are used; nothing is asked of the
 * service yet. `REQUEST_INVALID` for a url that is not of its form.
 */
export async function openObjectMedium(
  url: string,
  keys: StorageKeys | undefined,
): Promise<ObjectMedium | undefined> {
  if (url.startsWith("s3:")) {
    const { parseS3Url } = await import("./s3/parse-s3-url.ts");
    const place = parseS3Url(url);
    const { openS3Medium } = await import("./s3/s3-medium.ts");
    return openS3Medium(place, keys);
  }
  return undefined;
}
