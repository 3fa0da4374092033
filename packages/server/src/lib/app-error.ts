import { ociErrorCodes } from "@entrepot/oci/oci-error";

/**
 * Everything that can go wrong in a way a caller can be told about. Domain code throws these; only `http/` knows
 * which status a code becomes. Codes that OCI defines keep their OCI names.
 */
export const appErrorCodes = [
  ...ociErrorCodes,
  // ours; `http/error-table.ts` gives each the OCI code that says it best
  "REQUEST_INVALID", // a query parameter, header or body that is not of the documented form
  "RANGE_INVALID", // a chunk that does not start at the upload's offset
  "PAYLOAD_TOO_LARGE", // a manifest over its limit, a body over its limit
  "URI_TOO_LONG", // an address that is too long, or names more tags than are taken at once
  "MFA_REQUIRED", // a second factor must be shown first, or set up
  "RECENT_SIGN_IN_REQUIRED", // whoever has this session must prove again that it is theirs
  "CROSS_SITE", // a browser sent it, but no page of ours had it do so
  "CONFLICT", // another writer is at work on the same thing; retrying helps
  "IN_USE", // it cannot be deleted while something refers to it
  "NOT_FOUND", // a management resource that is not there
  "ALREADY_EXISTS", // a management resource whose name is taken
  "STORAGE_FULL", // the disk or quota is full; nothing was lost
  "OVERLOADED", // a limit of this instance is reached; retrying later helps
  "UNAVAILABLE", // the database or the storage does not answer; retrying later helps
  "INTERNAL",
] as const;

export type AppErrorCode = (typeof appErrorCodes)[number];

/** An expected failure with a code from the catalogue and one sentence for a person. Never carries a secret. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: AppErrorCode;
  /** Machine-readable detail for the reply (for example the digest that is missing); undefined when there is none. */
  readonly detail: unknown;
  /** How long a client should wait before it tries again; undefined when waiting does not help. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: AppErrorCode,
    message: string,
    options: {
      readonly cause?: unknown;
      readonly detail?: unknown;
      readonly retryAfterSeconds?: number;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
