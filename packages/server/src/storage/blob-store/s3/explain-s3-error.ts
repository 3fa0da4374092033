import { S3ServiceException } from "@aws-sdk/client-s3";
import { AppError } from "../../../lib/app-error.ts";
import { explainUnreachable } from "../objects/explain-unreachable.ts";

/** What the service's codes mean to whoever set it up. None of the sentences names the bucket or a key. */
const sentences: Readonly<Record<string, string>> = {
  InvalidAccessKeyId:
    "the object store does not know the access key (InvalidAccessKeyId): correct storage.accessKey or the keys file; temporary keys need storage.sessionToken, too",
  SignatureDoesNotMatch:
    "the secret key does not belong to the access key (SignatureDoesNotMatch): correct storage.secretKey, and look for blanks at its ends",
  NoSuchBucket:
    "the bucket does not exist (NoSuchBucket); make it, or correct storage.url; with a service that is not AWS, pathStyle=true may be missing",
  AccessDenied:
    "the object store refuses this (AccessDenied): the account needs s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload on the bucket's objects and s3:ListBucket, ListBucketMultipartUploads on the bucket",
  RequestTimeTooSkewed:
    "this machine's clock differs too much from the object store's (RequestTimeTooSkewed): set it, by NTP",
  ExpiredToken:
    "the temporary keys of the object store have expired (ExpiredToken): renew them in storage.keysFile",
  InvalidToken: "the session token of the object store is wrong (InvalidToken): correct storage.sessionToken",
  CredentialsProviderError:
    "no keys for the object store were found: set storage.accessKey and storage.secretKey, or give this process an AWS identity",
  KMSAccessDeniedException:
    "the account may not use the KMS key of storage.url: it needs kms:GenerateDataKey and kms:Decrypt",
  "KMS.NotFoundException": "the KMS key of storage.url does not exist: correct kmsKey",
  "KMS.DisabledException":
    "the KMS key of storage.url is disabled: enable it, as what it encrypted cannot be read",
  InvalidStorageClass:
    "the object store does not know the storage class of storage.url (InvalidStorageClass): correct storageClass",
  NotImplemented:
    "the object store does not know what was asked of it (NotImplemented); checksums=required in storage.url may help",
  InvalidArgument:
    "the object store does not take what storage.url asks for (InvalidArgument): encryption or a kmsKey that it does not have, or storageClass",
};

/** They say the same in different services. */
const otherRegion = new Set([
  "PermanentRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
]);

const full = new Set(["QuotaExceeded", "XMinioStorageFull", "StorageFull", "ServiceQuotaExceeded"]);

/** An error of the SDK as one of the catalogue, with the SDK's as its cause. What is none of the SDK's passes. */
export function explainS3Error(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  if (full.has(error.name) || statusOf(error) === 507) {
    return new AppError(
      "STORAGE_FULL",
      "the registry's object store is full; nothing that was stored is lost",
      {
        cause: error,
      },
    );
  }
  const sentence = otherRegion.has(error.name) ? regionSentence(error) : sentences[error.name];
  if (sentence !== undefined) return new AppError("UNAVAILABLE", sentence, { cause: error });
  if (error instanceof S3ServiceException) {
    const status = statusOf(error) ?? "no status";
    return new AppError("UNAVAILABLE", `the object store answers ${error.name} (${status})`, {
      cause: error,
    });
  }
  if (hasAnswer(error)) {
    const sentence =
      "what answers at the address of storage.url is no S3 service: check endpoint, and its port (a console has another)";
    return new AppError("UNAVAILABLE", sentence, { cause: error });
  }
  return explainUnreachable(
    error,
    "with a service that is not AWS, pathStyle=true keeps the bucket out of the host name",
  );
}

/** Says which region, where the service tells: nothing else of what it says is shown. */
function regionSentence(error: Error): string {
  const told = "Region" in error && typeof error.Region === "string" ? error.Region : undefined;
  const region = told !== undefined && /^[a-z0-9-]{1,40}$/.test(told) ? told : undefined;
  const what = region === undefined ? "correct region" : `write region=${region}`;
  return `the bucket lies in another region than storage.url says (${error.name}): ${what}`;
}

/** An answer came, and the SDK could not read it. */
function hasAnswer(error: Error): boolean {
  return "$response" in error && error.$response !== undefined;
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
