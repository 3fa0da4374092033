import { containsPattern, containsTagPattern, type TagPattern } from "@entrepot/oci/path-pattern";
import type { CredentialScope } from "./credential-scope.ts";

/**
 * What is carried by both. Never more; less only for two patterns of which neither contains the other, which have in common what no pattern says
 * (`acme/a*` and `acme/*b`): nothing is left of those.
 */
export function intersectScopes(
  left: readonly CredentialScope[],
  right: readonly CredentialScope[],
): readonly CredentialScope[] {
  return left.flatMap((one) => right.flatMap((other) => intersection(one, other)));
}

function intersection(one: CredentialScope, other: CredentialScope): readonly CredentialScope[] {
  const actions = one.actions.filter((action) => other.actions.includes(action));
  const repositories = containsPattern(one.repositories, other.repositories)
    ? other.repositories
    : containsPattern(other.repositories, one.repositories)
      ? one.repositories
      : undefined;
  const tags = intersectTags(one.tags, other.tags);
  if (actions.length === 0 || repositories === undefined || tags === "none") return [];
  return [{ repositories, tags, actions }];
}

function intersectTags(
  one: TagPattern | undefined,
  other: TagPattern | undefined,
): TagPattern | undefined | "none" {
  if (containsTagPattern(one, other)) return other;
  return containsTagPattern(other, one) ? one : "none";
}
