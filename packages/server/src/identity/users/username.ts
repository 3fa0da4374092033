import { tryParseRepositoryName } from "@entrepot/oci/repository-name";

const maxLength = 64;

/** Would be mistaken for parts of the API, or for everybody. */
const reservedNames = new Set([
  "anonymous",
  "api",
  "v2",
  "token",
  "health",
  "metrics",
  "garbage-collector",
  "root",
]);

/**
 * Whether a text can be the name of a user: one component of a repository name, as it is the first component of their repositories' names, of at
 * most 64 characters. What is not is nobody's name, and need not be looked up.
 */
export function isUsername(text: string): boolean {
  return text.length <= maxLength && !text.includes("/") && tryParseRepositoryName(text) !== undefined;
}

/** Whether a name must not be given to a user, although it has the form of one. */
export function isReservedName(username: string, defaultNamespace: string): boolean {
  return reservedNames.has(username) || username === defaultNamespace;
}
