import { parseRepositoryPattern, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import { AppError } from "../../lib/app-error.ts";

/**
 * Parses a pattern that names repositories of one namespace and no others. `NAME_INVALID` for what is no pattern, `REQUEST_INVALID` for one that
 * reaches out: its first component must be the namespace itself, without wildcards, and not its last. Names of a single component lie in the
 * default namespace, so there, and only there, a pattern may have one component; not `**`, which names everything.
 */
export function parsePatternIn(namespace: string, text: string, defaultNamespace: string): RepositoryPattern {
  const pattern = parseRepositoryPattern(text);
  const [first, ...rest] = pattern.split("/");
  const isInside = rest.length > 0 ? first === namespace : namespace === defaultNamespace && first !== "**";
  if (isInside) return pattern;
  throw new AppError(
    "REQUEST_INVALID",
    `a grant in ${namespace} is on paths below it, such as ${namespace}/app/** or ${namespace}/**`,
  );
}
