import { type Digest, parseDigest } from "./digest.ts";
import { parseTagName, type TagName } from "./tag-name.ts";

/** What names a manifest in a repository. */
export type Reference =
  | { readonly kind: "tag"; readonly tag: TagName }
  | { readonly kind: "digest"; readonly digest: Digest };

/** Anything with a colon is a digest, all else a tag. `DIGEST_INVALID` or `MANIFEST_INVALID`. */
export function parseReference(text: string): Reference {
  return text.includes(":")
    ? { kind: "digest", digest: parseDigest(text) }
    : { kind: "tag", tag: parseTagName(text) };
}
