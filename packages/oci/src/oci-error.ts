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
  /** What clients act on; the caller maps it to a status. */
  readonly code: OciErrorCode;
  /** Machine-readable detail for an error reply; undefined when there is none. */
  readonly detail: unknown;

  /** `message` is one sentence and holds no secret; outside text goes in through {@link quoted}. */
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

/**
 * Outside text as an error message may show it: in quotes, cut to 80 characters. Control and format characters are escaped, so that it can
 * neither move a terminal's cursor nor turn the rest of the line around.
 */
export function quoted(text: string): string {
  const cut = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  return JSON.stringify(cut).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
