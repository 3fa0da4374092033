import { OciError } from "./oci-error.ts";

/** A JSON value that is an object, not null and not a list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** image-spec: annotations are a map from string to string. `MANIFEST_INVALID` otherwise. */
export function readAnnotations(value: unknown, where: string): Readonly<Record<string, string>> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string")) {
    throw new OciError(
      "MANIFEST_INVALID",
      `the annotations of the ${where} must be an object whose values are strings`,
    );
  }
  return value as Readonly<Record<string, string>>; // as: every value was just checked
}

/** Whether brackets nest deeper than `limit` outside strings; reads the text once, without a stack. */
export function isNestedDeeper(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (inString) {
      if (character === "\\") index++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") {
      depth++;
      if (depth > limit) return true;
    } else if (character === "}" || character === "]") depth--;
  }
  return false;
}
