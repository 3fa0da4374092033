import { type Digest, digestAlgorithm, digestHex, parseDigest } from "@entrepot/oci/digest";
import type { BlobLocation, UploadId } from "./blob-store.ts";

/** Whether an upload can be called so. */
export function isUploadId(text: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(text);
}

/** Throws for an id that a driver must not turn into a path. Ids come from `newUploadId`; this is the second lock on the door. */
export function checkUploadId(id: UploadId): UploadId {
  if (isUploadId(id)) return id;
  throw new Error("an upload id has 1 to 64 lower-case letters, digits and hyphens");
}

/**
 * Where a driver puts a blob: `sha256/ab/abcdef….<upload id>`. A person sees the digest; the upload's id makes it unique, so that a deletion that
 * comes late can never hit content that was pushed again.
 */
export function locationOf(id: UploadId, digest: Digest): BlobLocation {
  const hex = digestHex(digest);
  // as: this is the grammar of a location
  return `${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}.${checkUploadId(id)}` as BlobLocation;
}

/** Whether a driver can have written it; false for a file, say, that somebody else has left. */
export function isLocation(text: string): boolean {
  return /^sha(?:256|512)\/[a-f0-9]{2}\/[a-f0-9]{64,128}\.[a-z0-9-]{1,64}$/.test(text);
}

/** Throws for a location that no driver has written. */
export function checkLocation(location: BlobLocation): BlobLocation {
  if (isLocation(location)) return location;
  throw new Error("that is no location of a blob");
}

/** The upload that made what lies at a location, and its digest. Throws for a location that no driver has written. */
export function partsOfLocation(location: string): { readonly uploadId: UploadId; readonly digest: Digest } {
  // as: checkLocation throws for anything else
  const [algorithm, , rest = ""] = checkLocation(location as BlobLocation).split("/");
  const [hex, id] = rest.split(".");
  // as: the expression of a location ends in that of an upload's id
  return { uploadId: id as UploadId, digest: parseDigest(`${algorithm}:${hex}`) };
}
