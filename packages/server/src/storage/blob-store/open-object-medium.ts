import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ObjectMedium } from "./objects/object-medium.ts";
import type { StorageKeys } from "./objects/storage-keys.ts";

/**
 * The object store that a url names; undefined when it names none. Drivers are loaded only when they are used; nothing is asked of the
 * service yet. `REQUEST_INVALID` for a url that is not of its form.
 */
export async function openObjectMedium(
  url: string,
  keys: StorageKeys | undefined,
  clock: Clock,
): Promise<ObjectMedium | undefined> {
  if (url.startsWith("s3:")) {
    const { parseS3Url } = await import("./s3/parse-s3-url.ts");
    const place = parseS3Url(url);
    const { openS3Medium } = await import("./s3/s3-medium.ts");
    return openS3Medium(place, keys);
  }
  if (url.startsWith("swift:")) {
    const { parseSwiftUrl } = await import("./swift/parse-swift-url.ts");
    const place = parseSwiftUrl(url, keys?.tempUrlKey);
    const { openSwiftMedium } = await import("./swift/swift-medium.ts");
    return openSwiftMedium(place, neededKeys(keys), clock);
  }
  if (url.startsWith("azure:")) {
    const { parseAzureUrl } = await import("./azure/parse-azure-url.ts");
    const place = parseAzureUrl(url);
    const { openAzureMedium } = await import("./azure/azure-medium.ts");
    return openAzureMedium(place, neededKeys(keys), clock);
  }
  return undefined;
}

function neededKeys(keys: StorageKeys | undefined): StorageKeys {
  if (keys !== undefined) return keys;
  throw new AppError("REQUEST_INVALID", "this kind of storage needs storage.accessKey and storage.secretKey");
}
