import { OciError, type OciErrorCode } from "@entrepot/oci/oci-error";
import { AppError, type AppErrorCode } from "../lib/app-error.ts";

/** How the catalogue's codes look on the wire. The only place that knows status codes of errors. */
interface ErrorForm {
  readonly status: number;
  /** The code an OCI client sees: OCI has a closed list. */
  readonly ociCode: OciErrorCode | "UNAVAILABLE" | "UNKNOWN";
  /** Status under /api/v1 where it differs. */
  readonly managementStatus?: number;
}

export const errorTable: Readonly<Record<AppErrorCode, ErrorForm>> = {
  BLOB_UNKNOWN: { status: 404, ociCode: "BLOB_UNKNOWN" },
  BLOB_UPLOAD_INVALID: { status: 400, ociCode: "BLOB_UPLOAD_INVALID" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, ociCode: "BLOB_UPLOAD_UNKNOWN" },
  DIGEST_INVALID: { status: 400, ociCode: "DIGEST_INVALID" },
  // distribution-spec, end-7a, has 404 for a manifest that cannot be taken; distribution itself answers 400.
  MANIFEST_BLOB_UNKNOWN: { status: 404, ociCode: "MANIFEST_BLOB_UNKNOWN" },
  MANIFEST_INVALID: { status: 400, ociCode: "MANIFEST_INVALID" },
  MANIFEST_UNKNOWN: { status: 404, ociCode: "MANIFEST_UNKNOWN" },
  NAME_INVALID: { status: 400, ociCode: "NAME_INVALID" },
  NAME_UNKNOWN: { status: 404, ociCode: "NAME_UNKNOWN" },
  SIZE_INVALID: { status: 400, ociCode: "SIZE_INVALID" },
  UNAUTHORIZED: { status: 401, ociCode: "UNAUTHORIZED" },
  DENIED: { status: 403, ociCode: "DENIED" },
  UNSUPPORTED: { status: 405, ociCode: "UNSUPPORTED" },
  TOOMANYREQUESTS: { status: 429, ociCode: "TOOMANYREQUESTS" },
  REQUEST_INVALID: { status: 400, ociCode: "UNSUPPORTED" },
  // distribution-spec: a chunk out of order is 416.
  RANGE_INVALID: { status: 416, ociCode: "BLOB_UPLOAD_INVALID" },
  PAYLOAD_TOO_LARGE: { status: 413, ociCode: "SIZE_INVALID" },
  // distribution-spec (draft), end-7b.
  URI_TOO_LONG: { status: 414, ociCode: "MANIFEST_INVALID" },
  MFA_REQUIRED: { status: 403, ociCode: "DENIED" },
  RECENT_SIGN_IN_REQUIRED: { status: 403, ociCode: "DENIED" },
  CROSS_SITE: { status: 403, ociCode: "DENIED" },
  CONFLICT: { status: 409, ociCode: "BLOB_UPLOAD_INVALID" },
  // distribution-spec: a registry that will not delete answers 400 or 405.
  IN_USE: { status: 405, ociCode: "UNSUPPORTED", managementStatus: 409 },
  NOT_FOUND: { status: 404, ociCode: "NAME_UNKNOWN" },
  ALREADY_EXISTS: { status: 409, ociCode: "NAME_INVALID" },
  STORAGE_FULL: { status: 507, ociCode: "UNAVAILABLE" },
  OVERLOADED: { status: 429, ociCode: "TOOMANYREQUESTS" },
  UNAVAILABLE: { status: 503, ociCode: "UNAVAILABLE" },
  INTERNAL: { status: 500, ociCode: "UNKNOWN" },
};

/** What a client is told of an error, whatever was thrown. */
export interface PublicError {
  readonly code: AppErrorCode;
  readonly message: string;
  readonly detail: unknown;
  readonly retryAfterSeconds: number | undefined;
}

/** An error of nobody's catalogue is `INTERNAL` and tells nothing of itself; the log has it, under the request's id. */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof AppError) {
    const { code, message, detail, retryAfterSeconds } = error;
    const mayHelp = code === "OVERLOADED" || code === "UNAVAILABLE" || code === "TOOMANYREQUESTS";
    return { code, message, detail, retryAfterSeconds: retryAfterSeconds ?? (mayHelp ? 1 : undefined) };
  }
  if (error instanceof OciError) {
    return { code: error.code, message: error.message, detail: error.detail, retryAfterSeconds: undefined };
  }
  return {
    code: "INTERNAL",
    message: "something went wrong in the registry; its log has more under this request's id",
    detail: undefined,
    retryAfterSeconds: undefined,
  };
}
