import { AppError } from "../../../lib/app-error.ts";
import { parsePartBytes, parsePrefix, takeParameters } from "../objects/storage-url.ts";

/** What an `azure:` url says. */
export interface AzurePlace {
  readonly container: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** The account's address; undefined = Azure's own for the account that the keys name. */
  readonly endpoint: string | undefined;
  /** Where clients reach it, when that is another address. */
  readonly publicEndpoint: string | undefined;
  readonly partBytes: number;
}

const known = ["endpoint", "publicEndpoint", "partMiB"] as const;

/** Parses `azure://CONTAINER/PREFIX`. `REQUEST_INVALID` with a sentence for anything else. */
export function parseAzureUrl(text: string): AzurePlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
  if (url?.protocol !== "azure:" || !/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(url.hostname)) {
    throw new AppError("REQUEST_INVALID", "an Azure url is azure://CONTAINER/PREFIX");
  }
  if (url.username !== "" || url.password !== "") {
    throw new AppError(
      "REQUEST_INVALID",
      "keys do not belong into an Azure url: set storage.accessKey (the account) and storage.secretKey",
    );
  }
  const parameters = takeParameters(url, known);
  for (const name of ["endpoint", "publicEndpoint"] as const) {
    const address = parameters.get(name);
    if (address !== undefined && !/^https?:\/\/[^?#@]+$/.test(address)) {
      throw new AppError(
        "REQUEST_INVALID",
        `${name} in an Azure url is an address such as https://NAME.blob.core.windows.net`,
      );
    }
  }
  return {
    container: url.hostname,
    prefix: parsePrefix(url),
    endpoint: parameters.get("endpoint")?.replace(/\/$/, ""),
    publicEndpoint: parameters.get("publicEndpoint")?.replace(/\/$/, ""),
    partBytes: parsePartBytes(parameters),
  };
}
