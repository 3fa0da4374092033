import { isReservedName, isUsername } from "../users/username.ts";

const maxLength = 58;
const tries = 100;

/**
 * Names that a user could have who is called `name` elsewhere, the likeliest first: "Ada.Lovelace@corp.example" gives ada.lovelace, ada.lovelace-2, …
 * All have the form of a user name and none is reserved. A name with nothing usable in it gives "user".
 */
export function* deriveUsernames(name: string, defaultNamespace: string): Generator<string> {
  const [local = ""] = name.split("@", 1);
  const plain = local
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    // A word of letters and digits, then single separators between words: the grammar of one component of a repository name.
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/[._-]*-[._-]*|[._]{2,}/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "")
    .slice(0, maxLength)
    .replace(/[._-]+$/, "");
  const base = plain !== "" && isUsername(plain) ? plain : "user";
  for (let number = 1; number <= tries; number++) {
    const candidate = number === 1 ? base : `${base}-${number}`;
    if (isUsername(candidate) && !isReservedName(candidate, defaultNamespace)) yield candidate;
  }
}
