import { OciError, quoted } from "./oci-error.ts";
import { repositoryNameMaxLength } from "./repository-name.ts";

/**
 * Names a set of repositories by path. Components are separated by slashes; `*` within a component stands for any characters of that component,
 * none included; `**` is allowed as the last component only and stands for one or more components: `acme/app/**` is everything below `acme/app`,
 * not `acme/app` itself, and nothing else. A pattern without `*` names one repository.
 */
export type RepositoryPattern = string & { readonly __brand: "RepositoryPattern" };

/** Names a set of tags: `*` stands for any characters, none included. */
export type TagPattern = string & { readonly __brand: "TagPattern" };

const tagPatternMaxLength = 128;
/** Matching costs at most length × length; more wildcards than this express nothing that a person means. */
const maxWildcards = 16;

/** Parses a pattern of repositories. `NAME_INVALID` with what is wrong. */
export function parseRepositoryPattern(text: string): RepositoryPattern {
  const problem = problemOf(text);
  if (problem !== undefined) throw new OciError("NAME_INVALID", `${quoted(text)} is no pattern: ${problem}`);
  return text as RepositoryPattern; // as: problemOf found nothing
}

/** Parses a pattern of tags. `NAME_INVALID` with what is wrong. */
export function parseTagPattern(text: string): TagPattern {
  const isPattern =
    text.length <= tagPatternMaxLength && /^[A-Za-z0-9_*][A-Za-z0-9._*-]*$/.test(text) && isSparing(text);
  if (!isPattern) {
    throw new OciError(
      "NAME_INVALID",
      `${quoted(text)} is no pattern of tags: letters, digits, . _ - and *, at most ${tagPatternMaxLength} characters`,
    );
  }
  return text as TagPattern; // as: the grammar above
}

/** Whether the pattern names the repository. */
export function matchesRepository(pattern: RepositoryPattern, name: string): boolean {
  return matchesComponents(pattern.split("/"), name.split("/"));
}

export function matchesTag(pattern: TagPattern, tag: string): boolean {
  return matchesText(pattern, tag);
}

/** Whether a text fits one in which `*` stands for any characters, none included. Cheap for as many wildcards as a pattern has here. */
export function matchesWildcards(pattern: string, text: string): boolean {
  return matchesText(pattern, text);
}

/**
 * Whether everything that `inner` names is named by `outer`, too. Never true when it is not so; false for some pairs that only the sum of
 * their components would show.
 */
export function containsPattern(outer: RepositoryPattern, inner: RepositoryPattern): boolean {
  // A wildcard of `inner` is a character that only a wildcard of `outer` takes, so whatever it stands for is taken, too.
  return matchesComponents(outer.split("/"), inner.split("/"));
}

/** As `containsPattern`, of tags; undefined = every tag. */
export function containsTagPattern(outer: TagPattern | undefined, inner: TagPattern | undefined): boolean {
  if (outer === undefined) return true;
  return matchesText(outer, inner ?? "*");
}

/** The components before the first that has a wildcard: all that the pattern names lies at or below this path. "" = anywhere. */
export function literalPrefixOf(pattern: RepositoryPattern): string {
  const components = pattern.split("/");
  const wild = components.findIndex((component) => component.includes("*"));
  return components.slice(0, wild < 0 ? components.length : wild).join("/");
}

/** Whether the pattern names more than one repository. */
export function isWildcard(pattern: RepositoryPattern): boolean {
  return pattern.includes("*");
}

/** The paths at or above a name, "" included: a pattern that names it has one of these as its literal prefix. */
export function pathsAbove(name: string): readonly string[] {
  const components = name.split("/");
  return ["", ...components.map((_, index) => components.slice(0, index + 1).join("/"))];
}

function problemOf(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (text.length > repositoryNameMaxLength) return `it is longer than ${repositoryNameMaxLength} characters`;
  if (!isSparing(text)) return `it has more than ${maxWildcards} wildcards`;
  const components = text.split("/");
  for (const [index, component] of components.entries()) {
    if (component === "") return "it has an empty component";
    if (component === "**") {
      if (index < components.length - 1) return "** is allowed as the last component only";
      continue;
    }
    if (component.includes("**")) return "** must be a component of its own";
    if (!/^[a-z0-9*][a-z0-9._*-]*$/.test(component)) {
      return "only a-z, 0-9, the separators . _ - and /, and * are allowed";
    }
  }
  return undefined;
}

function isSparing(text: string): boolean {
  return text.split("*").length <= maxWildcards + 1;
}

function matchesComponents(pattern: readonly string[], name: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === "**";
  const fixed = isOpen ? pattern.slice(0, -1) : pattern;
  if (isOpen ? name.length <= fixed.length : name.length !== fixed.length) return false;
  return fixed.every((component, index) => {
    const part = name[index];
    // `**` of a pattern that is looked at as a name is more than any one component.
    return part !== undefined && part !== "**" && matchesText(component, part);
  });
}

/** Linear but for the length of the pattern: on a mismatch only the last wildcard takes one more character. */
function matchesText(pattern: string, text: string): boolean {
  let at = 0;
  let wildcard = -1;
  let taken = 0;
  let index = 0;
  while (index < text.length) {
    if (pattern[at] === "*") {
      wildcard = at;
      taken = index;
      at += 1;
    } else if (at < pattern.length && pattern[at] === text[index]) {
      at += 1;
      index += 1;
    } else if (wildcard >= 0) {
      taken += 1;
      index = taken;
      at = wildcard + 1;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
