/** Error codes of the distribution-spec, "Error Codes". */
export const ociErrorCodes = [
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "DIGEST_INVALID",
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNKNOWN",
  "NAME_INVALID",
  "NAME_UNKNOWN",
  "SIZE_INVALID",
  "UNAUTHORIZED",
  "DENIED",
  "UNSUPPORTED",
  "TOOMANYREQUESTS",
] as const;
export type OciErrorCode = (typeof ociErrorCodes)[number];

/** What every `parse…` function of this package throws: an OCI code and one sentence for a person. */
export class OciError extends Error {
  override readonly name = "OciError";
  readonly code: OciErrorCode;
  /** Machine-readable detail for an error reply; undefined when there is none. */
  readonly detail: unknown;

  constructor(
    code: OciErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly detail?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}

const shownCharacters = 80;

/** Outside text as an error message may show it: quoted, escaped, cut to 80 characters. */
export function quoted(text: string): string {
  const cut = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  return JSON.stringify(cut);
}
