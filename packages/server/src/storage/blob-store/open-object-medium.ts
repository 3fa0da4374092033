import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ObjectMedium } from "./objects/object-medium.ts";
import type { StorageKeys, StorageSignIn } from "./objects/storage-keys.ts";

/**
 * The object store that a url names; undefined when it names none. Drivers are loaded only when they are used; nothing is asked of the
 * service yet, and no file is read but that of Azure's keys, which tells the account, and CloudFront's key. `REQUEST_INVALID` for a url that is not of its form, or keys that it cannot use.
 */
export async function openObjectMedium(
  url: string,
  signIn: StorageSignIn | undefined,
  clock: Clock,
): Promise<ObjectMedium | undefined> {
  if (url.startsWith("s3:")) {
    const { parseS3Url } = await import("./s3/parse-s3-url.ts");
    const place = parseS3Url(url);
    const { openS3Medium } = await import("./s3/s3-medium.ts");
    const readKeys = signIn === undefined ? undefined : await keyReader(signIn, clock);
    if (place.cloudFront === undefined) return openS3Medium(place, readKeys);
    const { createCloudFrontSigner } = await import("./s3/sign-cloudfront-url.ts");
    return openS3Medium(place, readKeys, createCloudFrontSigner(place.cloudFront, clock));
  }
  if (url.startsWith("swift:")) {
    const { parseSwiftUrl } = await import("./swift/parse-swift-url.ts");
    const place = parseSwiftUrl(url, signIn?.tempUrlKey);
    const { openSwiftMedium } = await import("./swift/swift-medium.ts");
    return openSwiftMedium(place, await keyReader(signIn, clock), clock);
  }
  if (url.startsWith("azure:")) {
    const { parseAzureUrl } = await import("./azure/parse-azure-url.ts");
    const place = parseAzureUrl(url);
    const { openAzureMedium } = await import("./azure/azure-medium.ts");
    return openAzureMedium(place, await keyReader(signIn, clock), clock);
  }
  if (url.startsWith("gs:")) {
    const { parseGcsUrl } = await import("./gcs/parse-gcs-url.ts");
    const place = parseGcsUrl(url);
    const { openGcsMedium } = await import("./gcs/gcs-medium.ts");
    return openGcsMedium(place, await googleKeys(signIn, clock), clock);
  }
  return undefined;
}

async function keyReader(
  signIn: StorageSignIn | undefined,
  clock: Clock,
): Promise<() => Promise<StorageKeys>> {
  if (signIn === undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      "this kind of storage needs storage.accessKey and storage.secretKey, or storage.keysFile",
    );
  }
  const { createKeyReader } = await import("./objects/read-keys-file.ts");
  return createKeyReader(signIn, clock);
}

/** Google's key files are more than two words: they stay files. */
async function googleKeys(
  signIn: StorageSignIn | undefined,
  clock: Clock,
): Promise<(() => Promise<string>) | undefined> {
  if (signIn === undefined) return undefined;
  if (!("keysFile" in signIn)) {
    throw new AppError(
      "REQUEST_INVALID",
      "Google Cloud Storage takes no storage.accessKey: storage.keysFile names the key file of a service account; without it the machine's identity is used",
    );
  }
  const { createFileReader } = await import("./objects/read-keys-file.ts");
  const { parseGoogleKeys } = await import("./gcs/parse-google-keys.ts");
  return createFileReader(signIn, clock, (text, setting) => {
    parseGoogleKeys(text, setting);
    return text;
  });
}
