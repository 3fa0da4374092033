import { OciError, quoted } from "./oci-error.ts";

/** One resource and what is wanted of it, as Docker's token specification has it: `repository:acme/app:pull,push`. */
export interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const maxScopes = 100;

// Visible ASCII: a name is a repository, a pattern of repositories or `catalog`, possibly after host:port, and ends up in headers and logs.
const nameGrammar = /^[\x21-\x7e]+$/;

/**
 * Parses scopes separated by spaces. The first colon ends the type, the last begins the actions (a name may hold host:port); a class in
 * parentheses is ignored. The same resource twice is united. Empty text = no scope. The name is not parsed further: what it has to be depends on
 * the type. `NAME_INVALID` when one is malformed or there are more than 100: nothing is dropped in silence, and `DENIED` would tell a client
 * that others may have what it asked for.
 */
export function parseScopes(text: string): readonly Scope[] {
  const parts = text.split(" ").filter((part) => part !== "");
  if (parts.length > maxScopes)
    throw new OciError(
      "NAME_INVALID",
      `${parts.length} scopes in one request; at most ${maxScopes} are taken`,
    );
  return mergeScopes(parts.map(parseScope));
}

function parseScope(text: string): Scope {
  const first = text.indexOf(":");
  const last = text.lastIndexOf(":");
  // Linear: a match can begin only at a "(", and reads no further than the next one.
  const type = text.slice(0, Math.max(0, first)).replace(/\([^()]*\)$/, "");
  const name = text.slice(first + 1, last);
  const actions = text
    .slice(last + 1)
    .split(",")
    .filter((action) => action !== "");
  // A missing colon has left the type or the name empty, which neither grammar takes.
  const isValid =
    nameGrammar.test(name) &&
    /^[a-z0-9]+$/.test(type) &&
    actions.every((action) => /^(?:[a-z]+|\*)$/.test(action));
  if (!isValid) {
    throw new OciError(
      "NAME_INVALID",
      `${quoted(text)} is no scope; one looks like repository:name:pull,push`,
    );
  }
  return { type, name, actions: [...new Set(actions)] };
}

/** One scope for each resource, actions united, in the order they came. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`;
    const actions = new Set([...(merged.get(key)?.actions ?? []), ...scope.actions]);
    merged.set(key, { ...scope, actions: [...actions] });
  }
  return [...merged.values()];
}

/** The text that `parseScopes` reads back as the same; "" for no scope. */
export function formatScopes(scopes: readonly Scope[]): string {
  return scopes.map((scope) => `${scope.type}:${scope.name}:${scope.actions.join(",")}`).join(" ");
}

/** The actions that are in both, in the order of the request; `*` on either side stands for all of the other. */
export function intersectActions(
  requested: readonly string[],
  permitted: readonly string[],
): readonly string[] {
  if (permitted.includes("*")) return [...requested];
  if (requested.includes("*")) return [...permitted];
  return requested.filter((action) => permitted.includes(action));
}
