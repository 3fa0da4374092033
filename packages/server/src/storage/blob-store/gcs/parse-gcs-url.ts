import { AppError } from "../../../lib/app-error.ts";
import { parsePartBytes, parsePrefix, takeParameters } from "../objects/storage-url.ts";

/** What a `gs:` url says. */
export interface GcsPlace {
  readonly bucket: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  readonly endpoint: string;
  /** Where clients reach it, when that is another address. */
  readonly publicEndpoint: string | undefined;
  /** Where signatures are asked for when there is no private key; ends in a slash. Undefined = Google's own. */
  readonly signEndpoint: string | undefined;
  readonly kmsKey: string | undefined;
  readonly storageClass: string | undefined;
  readonly partBytes: number;
}

const known = ["endpoint", "publicEndpoint", "signEndpoint", "kmsKey", "storageClass", "partMiB"] as const;
const addresses = ["endpoint", "publicEndpoint", "signEndpoint"] as const;

/**
 * Parses `gs://BUCKET/PREFIX`; the parameters are described in docs/guide/object-storage.md. `REQUEST_INVALID` with a sentence for anything
 * else. Parts are whole MiB, so all but the last are multiples of 256 KiB, as resumable uploads want them.
 */
export function parseGcsUrl(text: string): GcsPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // https://cloud.google.com/storage/docs/buckets#naming
  if (url?.protocol !== "gs:" || !/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(url.hostname)) {
    throw invalid("a Google Cloud Storage url is gs://BUCKET/PREFIX");
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid("keys do not belong into a Google Cloud Storage url: set storage.keysFile");
  }
  const parameters = takeParameters(url, known);
  for (const name of addresses) {
    const address = parameters.get(name);
    if (address !== undefined && !/^https?:\/\/[^?#@]+$/.test(address)) {
      throw invalid(
        `${name} in a Google Cloud Storage url is an address such as https://storage.example.org`,
      );
    }
  }
  const signEndpoint = parameters.get("signEndpoint");
  return {
    bucket: url.hostname,
    prefix: parsePrefix(url),
    endpoint: parameters.get("endpoint")?.replace(/\/+$/, "") ?? "https://storage.googleapis.com",
    publicEndpoint: parameters.get("publicEndpoint")?.replace(/\/+$/, ""),
    signEndpoint: signEndpoint === undefined ? undefined : `${signEndpoint.replace(/\/+$/, "")}/`,
    kmsKey: parameters.get("kmsKey"),
    storageClass: parameters.get("storageClass"),
    partBytes: parsePartBytes(parameters),
  };
}

function invalid(sentence: string): AppError {
  return new AppError("REQUEST_INVALID", sentence);
}
