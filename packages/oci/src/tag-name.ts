import { OciError, quoted } from "./oci-error.ts";

/** A tag as distribution-spec has it: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. */
export type TagName = string & { readonly __brand: "TagName" };

const grammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Parses a tag. OCI has no code for a bad tag; `MANIFEST_INVALID` says it best. */
export function parseTagName(text: string): TagName {
  if (grammar.test(text)) return text as TagName; // as: just checked
  throw new OciError(
    "MANIFEST_INVALID",
    `${quoted(text)} is no tag: 1 to 128 letters, digits, underscores, dots and hyphens, not beginning with a dot or hyphen`,
  );
}

/** The tag, or undefined when the text is none. */
export function tryParseTagName(text: string): TagName | undefined {
  return grammar.test(text) ? (text as TagName) : undefined; // as: just checked
}
