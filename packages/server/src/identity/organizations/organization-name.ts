import { tryParseRepositoryName } from "@entrepot/oci/repository-name";

const minLength = 2;

/** Whether a text can be the name of an organization: one component of a repository name, of 2 to 255 characters. */
export function isOrganizationName(text: string): boolean {
  return text.length >= minLength && isNamespaceName(text);
}

/** Whether a text can be the name of any namespace. What is not is nobody's, and need not be looked up. */
export function isNamespaceName(text: string): boolean {
  return !text.includes("/") && tryParseRepositoryName(text) !== undefined;
}
