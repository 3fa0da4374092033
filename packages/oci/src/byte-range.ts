import { OciError, quoted } from "./oci-error.ts";

/** First and last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a `Range` header asks for: everything, some ranges in the order asked, or nothing that exists (416). */
export type RangeRequest =
  | { readonly kind: "whole" }
  | { readonly kind: "ranges"; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "unsatisfiable" };

// podman asks for dozens of ranges of a layer at once; more than these are answered with the whole.
const maxRanges = 1_024;

const digits = /^[0-9]*$/;

/**
 * Parses a `Range` header against a size (RFC 9110, 14.1 and 14.2). Ends past the size are cut, ranges wholly outside are left out; when none
 * is left, or one is reversed, the request is unsatisfiable. Other units and text that is no range are ignored, as the RFC has it. So are
 * requests for more than 1,024 ranges or for more than twice the whole, which the RFC lets a server ignore. Of an empty blob, only a suffix
 * is satisfiable, and is the whole.
 */
export function parseByteRanges(header: string | undefined, sizeBytes: number): RangeRequest {
  const specs = splitSpecs(header);
  if (specs.length === 0 || specs.length > maxRanges) return { kind: "whole" };
  const ranges: ByteRange[] = [];
  let isReversed = false;
  let totalBytes = 0;
  for (const spec of specs) {
    const resolved = resolve(spec, sizeBytes);
    if (resolved === "whole") return { kind: "whole" };
    if (resolved === "reversed") isReversed = true;
    else if (resolved !== "outside") {
      ranges.push(resolved);
      totalBytes += resolved.end - resolved.start + 1;
    }
  }
  if (isReversed || ranges.length === 0) return { kind: "unsatisfiable" };
  if (ranges.length > 1 && totalBytes > 2 * sizeBytes) return { kind: "whole" };
  return { kind: "ranges", ranges };
}

/** The ranges of a `bytes=` header; none when there is no such header. Empty list elements are allowed (RFC 9110, 5.6.1). */
function splitSpecs(header = ""): readonly string[] {
  const equals = header.indexOf("=");
  if (header.slice(0, Math.max(equals, 0)).trim().toLowerCase() !== "bytes") return [];
  return header
    .slice(equals + 1)
    .split(",")
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "");
}

/** One `first-last`, `first-` or `-suffix`. Numbers too long to be exact are larger than any size, so nothing is lost by rounding them. */
function resolve(spec: string, sizeBytes: number): ByteRange | "whole" | "reversed" | "outside" {
  const dash = spec.indexOf("-");
  const first = spec.slice(0, Math.max(dash, 0));
  const last = spec.slice(dash + 1);
  if (dash < 0 || spec === "-" || !digits.test(first) || !digits.test(last)) return "whole";
  if (first === "") return resolveSuffix(Number(last), sizeBytes);
  const start = Number(first);
  const end = last === "" ? Infinity : Number(last);
  if (end < start) return "reversed";
  return start >= sizeBytes ? "outside" : { start, end: Math.min(end, sizeBytes - 1) };
}

/** RFC 9110, 14.1.2: a suffix is satisfiable unless it asks for no bytes, and one longer than the whole is the whole. */
function resolveSuffix(suffixBytes: number, sizeBytes: number): ByteRange | "whole" | "outside" {
  if (suffixBytes === 0) return "outside";
  // A 206 cannot say "no bytes", so the end of an empty blob is sent as if it had not been asked for.
  return sizeBytes === 0 ? "whole" : { start: Math.max(sizeBytes - suffixBytes, 0), end: sizeBytes - 1 };
}

/**
 * Parses the `Content-Range` of a chunk: `first-last`, both included, without a unit (distribution-spec, "Pushing a blob in chunks"). The form
 * of RFC 9110, `bytes first-last/size`, is taken as well, as some clients send it. An empty chunk is one whose last byte is just before its
 * first: `5-4`. `BLOB_UPLOAD_INVALID` otherwise, and for numbers that are not exact in a double.
 */
export function parseContentRange(header: string): ByteRange {
  const match = /^(?:bytes[ =])?([0-9]+)-([0-9]+)(?:\/(?:[0-9]+|\*))?$/.exec(header.trim());
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || end < start - 1) {
    throw new OciError(
      "BLOB_UPLOAD_INVALID",
      `the Content-Range ${quoted(header)} of a chunk must be first-last, both included, such as 0-1023`,
    );
  }
  return { start, end };
}
