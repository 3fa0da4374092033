import { OciError, quoted } from "./oci-error.ts";

/** First and last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type RangeRequest =
  | { readonly kind: "whole" }
  | { readonly kind: "ranges"; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "unsatisfiable" };

// podman asks for dozens of ranges of a layer at once; more than these are answered with the whole.
const maxRanges = 1_024;

/**
 * Parses a `Range` header against a size (RFC 9110, 14.1). Ends past the size are cut, ranges wholly outside are left out; when none is
 * left, or one is reversed, the request is unsatisfiable. Other units and text that is no range are ignored, as the RFC has it, and so are
 * requests that would send more than twice the whole.
 */
export function parseByteRanges(header: string | undefined, sizeBytes: number): RangeRequest {
  const list = header === undefined ? null : /^\s*bytes\s*=(.*)$/i.exec(header);
  if (!list) return { kind: "whole" };
  const specs = (list[1] ?? "")
    .split(",")
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "");
  if (specs.length === 0 || specs.length > maxRanges) return { kind: "whole" };
  const ranges: ByteRange[] = [];
  let totalBytes = 0;
  for (const spec of specs) {
    const match = /^([0-9]{0,15})-([0-9]{0,15})$/.exec(spec);
    const [first = "", last = ""] = match?.slice(1) ?? [];
    if (match === null || (first === "" && last === "")) return { kind: "whole" };
    const range = resolve(first, last, sizeBytes);
    if (range === undefined) continue;
    ranges.push(range);
    totalBytes += range.end - range.start + 1;
  }
  if (ranges.length === 0) return { kind: "unsatisfiable" };
  if (ranges.length > 1 && totalBytes > 2 * sizeBytes) return { kind: "whole" };
  return { kind: "ranges", ranges };
}

function resolve(first: string, last: string, sizeBytes: number): ByteRange | undefined {
  if (first === "") {
    const suffix = Math.min(Number(last), sizeBytes);
    return suffix === 0 ? undefined : { start: sizeBytes - suffix, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start > end ? undefined : { start, end };
}

/**
 * Parses the `Content-Range` of a chunk: `first-last`, inclusive, without a unit (distribution-spec, "Pushing a blob in chunks"). The form of
 * RFC 9110, `bytes first-last/size`, is taken as well, as some clients send it. `BLOB_UPLOAD_INVALID` otherwise.
 */
export function parseContentRange(header: string): ByteRange {
  const match = /^\s*(?:bytes[ =])?\s*([0-9]{1,15})-([0-9]{1,15})(?:\/(?:[0-9]{1,15}|\*))?\s*$/.exec(header);
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end < start) {
    throw new OciError(
      "BLOB_UPLOAD_INVALID",
      `the Content-Range ${quoted(header)} of a chunk must be first-last, both included, such as 0-1023`,
    );
  }
  return { start, end };
}
