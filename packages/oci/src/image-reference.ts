import { type Digest, parseDigest } from "./digest.ts";
import { OciError, quoted } from "./oci-error.ts";
import { parseRepositoryName, type RepositoryName } from "./repository-name.ts";
import { parseTagName, type TagName } from "./tag-name.ts";

/** `host[:port]/name[:tag][@digest]`, as people write it. */
export interface ImageReference {
  /** Host with port, if there was one; IPv6 in brackets. */
  readonly host: string;
  readonly repository: RepositoryName;
  readonly tag?: TagName;
  readonly digest?: Digest;
}

// RFC 1035, 2.3.4: 63 octets a label, 255 a name.
const hostMaxLength = 255;
const hostGrammar =
  /^(?:(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/**
 * Parses an image reference. The first component is a host when it has a dot or a colon, is `localhost`, or is an IPv6 address in brackets,
 * as docker has it; else `defaultHost` is meant, and without one it is `NAME_INVALID`, as it is for a bad host or repository. A bad tag is
 * `MANIFEST_INVALID`, a bad digest `DIGEST_INVALID`. Neither tag nor digest is made up when there is none.
 */
export function parseImageReference(
  text: string,
  options: { readonly defaultHost?: string } = {},
): ImageReference {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const hasHost = /[.:[]/.test(first) || first === "localhost";
  const host = hasHost ? first : options.defaultHost;
  if (host === undefined) {
    throw new OciError(
      "NAME_INVALID",
      `${quoted(text)} names no registry; write host/name, such as localhost:5000/app`,
    );
  }
  if (!isHost(host)) throw new OciError("NAME_INVALID", `${quoted(host)} is no host name`);
  const rest = hasHost ? text.slice(slash + 1) : text;
  const at = rest.indexOf("@");
  const beforeDigest = at < 0 ? rest : rest.slice(0, at);
  const colon = beforeDigest.lastIndexOf(":");
  return {
    host,
    repository: parseRepositoryName(colon < 0 ? beforeDigest : beforeDigest.slice(0, colon)),
    ...(colon < 0 ? {} : { tag: parseTagName(beforeDigest.slice(colon + 1)) }),
    ...(at < 0 ? {} : { digest: parseDigest(rest.slice(at + 1)) }),
  };
}

/** The grammar bounds what the URL parser sees; that one knows what an address and a port may be. */
function isHost(text: string): boolean {
  return text.length <= hostMaxLength && hostGrammar.test(text) && URL.canParse(`https://${text}/`);
}

/**
 * The text that `parseImageReference` reads back as the same reference, if the host has a dot, a colon or is `localhost`. A default host of
 * one bare word would be read back as part of the name, so give it its port: `registry:443`.
 */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return `${reference.host}/${reference.repository}${tag}${digest}`;
}
