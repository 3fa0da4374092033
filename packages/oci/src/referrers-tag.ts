import { type Digest, digestAlgorithm, digestHex } from "./digest.ts";
import { parseTagName, type TagName } from "./tag-name.ts";

/**
 * The tag under which clients that know no referrers API keep the list of a digest's referrers (distribution-spec, "Referrers Tag Schema"):
 * the algorithm cut to 32 characters, a hyphen, the encoded part cut to 64.
 */
export function referrersTag(digest: Digest): TagName {
  return parseTagName(`${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`);
}
