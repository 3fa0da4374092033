import { OciError, quoted } from "./oci-error.ts";

/** A repository name as distribution-spec "Pulling manifests" has it, at most 255 characters. */
export type RepositoryName = string & { readonly __brand: "RepositoryName" };

/** Many clients limit host and name together to 255 characters; a name alone is never longer. */
export const repositoryNameMaxLength = 255;

/** Parses a name. `NAME_INVALID` with what is wrong. */
export function parseRepositoryName(text: string): RepositoryName {
  const problem = problemOf(text);
  if (problem !== undefined) {
    throw new OciError("NAME_INVALID", `${quoted(text)} is no repository name: ${problem}`);
  }
  return text as RepositoryName; // as: problemOf found nothing
}

/** The name, or undefined when the text is none. */
export function tryParseRepositoryName(text: string): RepositoryName | undefined {
  return problemOf(text) === undefined ? (text as RepositoryName) : undefined; // as: problemOf found nothing
}

/** The grammar whole. What a separator may be and what may follow it have no character in common, so there is one way to read a text. */
const component = "[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*";
const grammar = new RegExp(`^${component}(?:/${component})*$`);

/** Every request asks this of a name, nearly always of a good one: what is wrong with a bad one is found out after. */
function problemOf(text: string): string | undefined {
  if (text.length <= repositoryNameMaxLength && grammar.test(text)) return undefined;
  return problemOfBad(text);
}

function problemOfBad(text: string): string {
  if (text === "") return "it is empty";
  if (text.length > repositoryNameMaxLength) return `it is longer than ${repositoryNameMaxLength} characters`;
  for (const component of text.split("/")) {
    const problem = problemOfComponent(component);
    if (problem !== undefined) return problem;
  }
  return "it does not follow the grammar of names";
}

/**
 * `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, read character by character: one look at each, whatever the text.
 */
function problemOfComponent(component: string): string | undefined {
  if (component === "") return "it has an empty component";
  let separator = "";
  for (const [index, character] of Array.from(component).entries()) {
    if ((character >= "a" && character <= "z") || (character >= "0" && character <= "9")) {
      separator = "";
      continue;
    }
    if (character >= "A" && character <= "Z") return "capital letters are not allowed";
    if (character !== "." && character !== "_" && character !== "-") {
      return "only a-z, 0-9, and the separators . _ - and / are allowed";
    }
    if (index === 0) return "a component must begin with a letter or digit";
    separator += character;
    const isSeparator =
      separator === "." || separator === "_" || separator === "__" || !/[^-]/.test(separator);
    if (!isSeparator)
      return "letters and digits may be separated by one dot, one or two underscores, or hyphens";
  }
  return separator === "" ? undefined : "a component must end with a letter or digit";
}
