import { createHash } from "node:crypto";
import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { BlobLocation, UploadId } from "../blob-store.ts";
import { checkUploadId, locationOf, partsOfLocation } from "../names.ts";

/*
 * Everything of one upload lies in one folder, during the upload and after it:
 *
 *   <prefix><shard>/<upload id>/<start>.<nonce>                        a segment: bytes of the upload from <start> on
 *   <prefix><shard>/<upload id>/<start>.<nonce>.<nonce>…               a segment that replaces those shorter ones
 *   <prefix><shard>/<upload id>/<start>.<nonce>.cut-<length>-<nonce>   no bytes: of that segment only <length> bytes count
 *   <prefix><shard>/<upload id>/blob.<algorithm>.<hex>                 the index of a committed blob: its segments, as JSON
 *
 * The shard is the beginning of a hash of the id, so that the keys spread over the partitions of the service.
 */

/** One segment object as its name tells it. */
export interface NamedSegment {
  readonly name: string;
  readonly start: number;
  readonly nonce: string;
  /** Nonces of segments that this one stands for. */
  readonly replaces: readonly string[];
  /** Set when it has no bytes of its own but counts so many of the segment it replaces. */
  readonly cutToBytes: number | undefined;
}

const startDigits = 15;
const segmentName = /^([0-9]{15})\.([a-f0-9]{16})((?:\.[a-f0-9]{16})*|\.cut-([0-9]{1,15})-([a-f0-9]{16}))$/;
const indexName = /^blob\.(sha256|sha512)\.([a-f0-9]{64,128})$/;

/** The folder of an upload, with a slash at its end, below the store's prefix. */
export function folderOf(id: UploadId): string {
  const shard = createHash("sha256").update(checkUploadId(id)).digest("hex").slice(0, 2);
  return `${shard}/${id}/`;
}

export function newSegmentName(start: number, nonce: string, replaces: readonly string[]): string {
  return [String(start).padStart(startDigits, "0"), nonce, ...replaces].join(".");
}

export function newCutName(
  start: number,
  nonce: string,
  cut: { readonly lengthBytes: number; readonly of: string },
) {
  return newSegmentName(start, nonce, [`cut-${cut.lengthBytes}-${cut.of}`]);
}

/** Undefined for what is no segment. */
export function parseSegmentName(name: string): NamedSegment | undefined {
  const [, start, nonce, rest, cutBytes, cutNonce] = segmentName.exec(name) ?? [];
  if (start === undefined || nonce === undefined) return undefined;
  if (cutBytes !== undefined && cutNonce !== undefined) {
    return { name, start: Number(start), nonce, replaces: [cutNonce], cutToBytes: Number(cutBytes) };
  }
  const replaces = (rest ?? "").split(".").filter((text) => text !== "");
  return { name, start: Number(start), nonce, replaces, cutToBytes: undefined };
}

export function indexNameOf(digest: Digest): string {
  return `blob.${digest.replace(":", ".")}`;
}

/** The digest that an index is named after; undefined for what is no index. */
export function parseIndexName(name: string): Digest | undefined {
  const [, algorithm, hex] = indexName.exec(name) ?? [];
  if (algorithm === undefined || hex?.length !== (algorithm === "sha256" ? 64 : 128)) return undefined;
  return parseDigest(`${algorithm}:${hex}`);
}

/** The upload in whose folder the index of a location lies, and its digest. Throws for a location that no driver has written. */
export function placeOf(location: BlobLocation): { readonly id: UploadId; readonly digest: Digest } {
  const { uploadId: id, digest } = partsOfLocation(location);
  if (locationOf(id, digest) !== location) throw new Error("that is no location of a blob");
  return { id, digest };
}

/** The upload whose folder a key below the store's prefix lies in, and its name there; undefined for what is not ours. */
export function parseKey(key: string): { readonly id: UploadId; readonly name: string } | undefined {
  const [, shard, id, name] = /^([a-f0-9]{2})\/([a-z0-9-]{1,64})\/([^/]+)$/.exec(key) ?? [];
  if (shard === undefined || id === undefined || name === undefined) return undefined;
  // as: the expression is that of an upload's id
  return { id: id as UploadId, name };
}
