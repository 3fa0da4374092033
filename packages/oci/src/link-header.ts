/** The `Link` header of a listing that goes on (RFC 8288); `url` absolute or relative, its query already encoded. */
export function formatNextLink(url: string): string {
  return `<${url}>; rel="next"`;
}

/**
 * The address of the next page from a `Link` header, possibly among other links, as it was sent: relative ones stay relative. Undefined when
 * there is none or the header is malformed. Every character is read a fixed number of times, so no header can make it slow.
 */
export function parseNextLink(header: string | null): string | undefined {
  for (const link of splitOutside(header ?? "", ",").map((text) => text.trim())) {
    const close = link.indexOf(">");
    if (!link.startsWith("<") || close < 0) continue;
    // RFC 8288, 3.3: only the first rel of a link counts.
    const rel = splitOutside(link.slice(close + 1), ";")
      .map(relOf)
      .find((relations) => relations !== undefined);
    if (rel?.includes("next")) return link.slice(1, close);
  }
  return undefined;
}

/** The relations of a parameter `rel="a b"` or `rel=a`; undefined when it is another parameter. */
function relOf(parameter: string): readonly string[] | undefined {
  const equals = parameter.indexOf("=");
  if (equals < 0 || parameter.slice(0, equals).trim().toLowerCase() !== "rel") return undefined;
  const value = parameter.slice(equals + 1).trim();
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  return (isQuoted ? value.slice(1, -1) : value).toLowerCase().split(/\s/);
}

/** Splits where the separator stands neither in quotes nor in the angle brackets of an address. */
function splitOutside(text: string, separator: "," | ";"): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let closing: ">" | '"' | undefined;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (closing !== undefined) {
      if (closing === '"' && character === "\\") index++;
      else if (character === closing) closing = undefined;
    } else if (character === '"') closing = '"';
    else if (character === "<") closing = ">";
    else if (character === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}
