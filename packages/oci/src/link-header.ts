/** The `Link` header of a listing that goes on (RFC 8288); `url` absolute or relative, its query already encoded. */
export function formatNextLink(url: string): string {
  return `<${url}>; rel="next"`;
}

/** The address of the next page from a `Link` header, possibly among other links; undefined when there is none. */
export function parseNextLink(header: string | null): string | undefined {
  if (header === null) return undefined;
  for (const match of header.matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?:[\s;,]|$))/i.test(match[2] ?? ""))
      return match[1];
  }
  return undefined;
}
