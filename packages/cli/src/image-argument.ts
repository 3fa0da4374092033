import { type ImageReference, parseImageReference } from "@entrepot/oci/image-reference";
import { OciError } from "@entrepot/oci/oci-error";
import type { Reference } from "@entrepot/oci/reference";
import { parseTagName } from "@entrepot/oci/tag-name";
import { UsageError } from "./usage-error.ts";

/** `[HOST/]NAME[:TAG][@DIGEST]`; a name without a host is one of the default registry. `UsageError` when it is malformed. */
export function parseImageArgument(text: string, defaultHost: string): ImageReference {
  try {
    return parseImageReference(text, { defaultHost });
  } catch (error) {
    if (error instanceof OciError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The digest where there is one, else the tag, else `latest`, as with docker. */
export function referenceOf(image: ImageReference): Reference {
  if (image.digest !== undefined) return { kind: "digest", digest: image.digest };
  return { kind: "tag", tag: image.tag ?? parseTagName("latest") };
}

/** A registry as people write it: `host[:port]`, possibly as an address. `UsageError` when it is none. */
export function parseHostArgument(text: string): string {
  const host = text.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  if (host === "" || /[/?#@\s]/.test(host) || !URL.canParse(`https://${host}/`)) {
    throw new UsageError(`${JSON.stringify(text)} is no registry; write host or host:port`);
  }
  return host;
}
