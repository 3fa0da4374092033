import { tryParseRepositoryName } from "@entrepot/oci/repository-name";

const maxLength = 64;

/**
 * Would be mistaken for the first component of an address that the server answers or that its pages have or may get, for everybody, or for the
 * registry itself, whose issuers are named `system+…`.
 */
const reservedNames = new Set(
  [
    "account api health metrics token v1 v2 v3 well-known",
    "assets auth callback login logout oauth oauth2 sign-in sign-out sign-up",
    "about catalog explore help r search settings static status ui",
    "me organizations repositories session users",
    "anonymous entrepot everybody everyone nobody registry root system",
    "garbage-collector",
  ].flatMap((line) => line.split(" ")),
);

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
