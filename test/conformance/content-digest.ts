import { createHash } from "node:crypto";

/** The two algorithms the image specification registers; both are pushed and pulled in every profile. */
export const digestAlgorithms = ["sha256", "sha512"] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/**
 * Returns `<algorithm>:<hex>` of the bytes. The suite computes digests itself, instead of using the registry's own
 * vocabulary package, so that a mistake there cannot hide from it.
 */
export function contentDigest(algorithm: DigestAlgorithm, bytes: Uint8Array): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
