import { AppError } from "../../../lib/app-error.ts";
import { parsePartBytes, parsePrefix, takeParameters } from "../objects/storage-url.ts";
import type { CloudFrontPlace } from "./sign-cloudfront-url.ts";

/** What an `s3:` url says. */
export interface S3Place {
  readonly bucket: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** Undefined = as the AWS environment says. */
  readonly region: string | undefined;
  /** Undefined = AWS. */
  readonly endpoint: string | undefined;
  /** Where clients reach the service, when that is another address. */
  readonly publicEndpoint: string | undefined;
  /** What stands before the bucket, and where clients are sent; undefined = to the bucket itself. */
  readonly cloudFront: CloudFrontPlace | undefined;
  readonly usesPathStyle: boolean;
  /** Whether the SDK sends and checks checksums wherever it can, or only where it must. */
  readonly checksums: "WHEN_SUPPORTED" | "WHEN_REQUIRED";
  readonly encryption: "AES256" | "aws:kms" | undefined;
  readonly kmsKeyId: string | undefined;
  readonly storageClass: string | undefined;
  readonly partBytes: number;
}

const known = [
  "region",
  "endpoint",
  "publicEndpoint",
  "cloudFront",
  "cloudFrontKeyPair",
  "cloudFrontKeyFile",
  "pathStyle",
  "checksums",
  "encryption",
  "kmsKey",
  "storageClass",
  "partMiB",
] as const;

/**
 * Parses `s3://BUCKET/PREFIX?region=…&endpoint=…`; the parameters are described in docs/guide/object-storage.md. `REQUEST_INVALID` with a
 * sentence for anything else. Keys are no part of it: a url is shown in more places than a secret may be.
 */
export function parseS3Url(text: string): S3Place {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "s3:" || url.hostname === "")
    throw invalid("an S3 url is s3://BUCKET/PREFIX?region=…");
  if (url.username !== "" || url.password !== "") {
    throw invalid("keys do not belong into an S3 url: set storage.accessKey and storage.secretKey");
  }
  const parameters = takeParameters(url, known);
  const endpoint = parseOrigin("endpoint", parameters.get("endpoint"));
  const encryption = parameters.get("encryption");
  if (encryption !== undefined && encryption !== "AES256" && encryption !== "aws:kms") {
    throw invalid("encryption in an S3 url is AES256 or aws:kms");
  }
  const kmsKeyId = parameters.get("kmsKey");
  if (kmsKeyId !== undefined && encryption !== "aws:kms") {
    throw invalid("kmsKey in an S3 url goes with encryption=aws:kms");
  }
  return {
    bucket: url.hostname,
    prefix: parsePrefix(url),
    region: parameters.get("region") ?? (endpoint === undefined ? undefined : "us-east-1"),
    endpoint,
    publicEndpoint: parseOrigin("publicEndpoint", parameters.get("publicEndpoint")),
    cloudFront: parseCloudFront(parameters),
    usesPathStyle: parseBoolean("pathStyle", parameters.get("pathStyle")),
    checksums: parseChecksums(parameters.get("checksums"), endpoint),
    encryption,
    kmsKeyId,
    storageClass: parameters.get("storageClass"),
    partBytes: parsePartBytes(parameters),
  };
}

/** All three, or none; and no other address for clients beside them. */
function parseCloudFront(parameters: ReadonlyMap<(typeof known)[number], string>): S3Place["cloudFront"] {
  const origin = parseOrigin("cloudFront", parameters.get("cloudFront"));
  const keyPairId = parameters.get("cloudFrontKeyPair");
  const keyFile = parameters.get("cloudFrontKeyFile");
  if (origin === undefined && keyPairId === undefined && keyFile === undefined) return undefined;
  if (origin === undefined || keyPairId === undefined || keyFile === undefined) {
    throw invalid("cloudFront, cloudFrontKeyPair and cloudFrontKeyFile in an S3 url go together");
  }
  if (parameters.has("publicEndpoint")) {
    throw invalid("an S3 url has either cloudFront or publicEndpoint: both are where clients are sent");
  }
  if (/[?#]/.test(origin)) throw invalid("cloudFront in an S3 url is an address without a query");
  if (!/^[A-Za-z0-9]{1,64}$/.test(keyPairId)) {
    throw invalid("cloudFrontKeyPair in an S3 url is the id of a public key, such as K2JCJMDEHXQW5F");
  }
  return { origin, keyPairId, keyFile };
}

/** Few services besides AWS take the SDK's checksums: some refuse them, some store them as bytes of the object. */
function parseChecksums(text: string | undefined, endpoint: string | undefined): S3Place["checksums"] {
  if (text === "supported") return "WHEN_SUPPORTED";
  if (text === "required") return "WHEN_REQUIRED";
  if (text !== undefined) throw invalid("checksums in an S3 url is supported or required");
  return endpoint === undefined ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
}

function parseBoolean(name: string, text: string | undefined): boolean {
  if (text !== undefined && text !== "true" && text !== "false") {
    throw invalid(`${name} in an S3 url is true or false`);
  }
  return text === "true";
}

function parseOrigin(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.username !== "") {
    throw invalid(`${name} in an S3 url is an address such as https://s3.example.org`);
  }
  return url.href.replace(/\/$/, "");
}

function invalid(sentence: string): AppError {
  return new AppError("REQUEST_INVALID", sentence);
}
