/**
 * Whether the client has these very bytes: `If-None-Match` names the digest, quoted or not, weak or not, or is `*`
 * (RFC 9110, 13.1.2; docker's tools send digests without quotes, too).
 */
export function isNotModified(
  headers: { readonly [name: string]: string | string[] | undefined },
  digest: string,
): boolean {
  const header = headers["if-none-match"];
  if (typeof header !== "string") return false;
  return header.split(",").some((part) => {
    const tag = part.trim().replace(/^W\//, "");
    return tag === "*" || tag === digest || tag === `"${digest}"`;
  });
}
