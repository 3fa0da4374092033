import { formatNextLink } from "@entrepot/oci/link-header";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { parsePage } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { tagLimitsOf } from "../tag-limits/tag-limits.ts";
import { listTags } from "./list-tags.ts";

// A full list of 100,000 tags blocks the loop for tens of milliseconds, so pages are capped and linked.
const limits = { defaultLimit: 1_000, maxLimit: 10_000 };

/** end-8a and 8b of the distribution-spec. */
export function tagEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "tags.list",
      method: "GET",
      path: "/v2/{name}/tags/list",
      can: { who: "repository", action: "pull" },
      summary: "Tags in byte order, by pages (`n`, `last`).",
      query: pageParameters,
      honoursTagLimits: true,
      handle: async ({ actor }, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const name = request.addressedAs ?? repository;
        const page = parsePage(request.query, limits);
        const limited = tagLimitsOf(deps, actor, "pull", { repository, addressedAs: request.addressedAs });
        const { tags, hasMore } = await listTags(
          deps,
          repository,
          page,
          limited && ((tag) => limited.admits(tag)),
        );
        const last = tags.at(-1);
        const next =
          hasMore && last !== undefined
            ? `/v2/${name}/tags/list?n=${page.limit}&last=${encodeURIComponent(last)}`
            : undefined;
        return {
          status: 200,
          headers: next === undefined ? {} : { link: formatNextLink(next) },
          body: { kind: "json", value: { name, tags } },
        };
      },
    }),
  ];
}
