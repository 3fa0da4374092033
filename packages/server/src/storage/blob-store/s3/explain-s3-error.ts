import { S3ServiceException } from "@aws-sdk/client-s3";
import { AppError } from "../../../lib/app-error.ts";

/** What the service's codes mean to whoever set it up. None of the sentences names the bucket or a key. */
const sentences: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: "the object store does not know the access key (InvalidAccessKeyId)",
  SignatureDoesNotMatch: "the secret key does not belong to the access key (SignatureDoesNotMatch)",
  NoSuchBucket: "the bucket does not exist (NoSuchBucket); make it, or correct storage.url",
  AccessDenied:
    "the object store refuses this (AccessDenied): the account needs s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload on the bucket's objects and s3:ListBucket, ListBucketMultipartUploads on the bucket",
  RequestTimeTooSkewed:
    "this machine's clock differs too much from the object store's (RequestTimeTooSkewed)",
  PermanentRedirect: "the bucket lies in another region than storage.url says (PermanentRedirect)",
  AuthorizationHeaderMalformed:
    "the bucket lies in another region than storage.url says (AuthorizationHeaderMalformed)",
  ExpiredToken: "the temporary keys of the object store have expired (ExpiredToken)",
  InvalidToken: "the session token of the object store is wrong (InvalidToken)",
  CredentialsProviderError:
    "no keys for the object store were found: set storage.accessKey and storage.secretKey, or give this process an AWS identity",
  KMSAccessDeniedException: "the account may not use the KMS key of storage.url",
  "KMS.NotFoundException": "the KMS key of storage.url does not exist",
  InvalidStorageClass:
    "the object store does not know the storage class of storage.url (InvalidStorageClass)",
  NotImplemented:
    "the object store does not know what was asked of it (NotImplemented); checksums=required in storage.url may help",
};

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
  const sentence = sentences[error.name];
  if (sentence !== undefined) return new AppError("UNAVAILABLE", sentence, { cause: error });
  if (error instanceof S3ServiceException) {
    const status = statusOf(error) ?? "no status";
    return new AppError("UNAVAILABLE", `the object store answers ${error.name} (${status})`, {
      cause: error,
    });
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return new AppError("UNAVAILABLE", `the object store cannot be reached (${code})`, { cause: error });
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
