import type { Expression, ExpressionBuilder, SqlBool } from "kysely";
import type { Tables } from "../storage/database/tables.ts";
import type { ReadableRepositories } from "./access.ts";

/**
 * The condition of a query over `repositories as r` that keeps the candidates of a listing. It may keep too many, never too few: `admits` says who is
 * really in it.
 */
export function readableCandidates(
  readable: ReadableRepositories,
): (eb: ExpressionBuilder<Tables & { r: Tables["repositories"] }, "r">) => Expression<SqlBool> {
  return (eb) => {
    const visible = eb("r.state", "!=", "hidden");
    if (readable.kind === "all") return visible;
    const { visibilities, repositoryIds, namespaceIds, paths } = readable.candidates;
    if (paths.includes("")) return visible;
    return eb.and([
      visible,
      eb.or([
        ...(visibilities.length > 0 ? [eb("r.visibility", "in", [...visibilities])] : []),
        ...(repositoryIds.length > 0 ? [eb("r.id", "in", [...repositoryIds])] : []),
        ...(namespaceIds.length > 0 ? [eb("r.namespace_id", "in", [...namespaceIds])] : []),
        ...paths.flatMap((path) => [
          eb("r.name", "=", path),
          // "0" follows "/": the names below a path, and no others.
          eb.and([eb("r.name", ">", `${path}/`), eb("r.name", "<", `${path}0`)]),
        ]),
      ]),
    ]);
  };
}
