import { parseDigest } from "@entrepot/oci/digest";
import { formatNextLink } from "@entrepot/oci/link-header";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { tagLimitsOf } from "../tag-limits/tag-limits.ts";
import { listReferrers } from "./list-referrers.ts";

const limits = { defaultLimit: 1_000, maxLimit: 1_000 };
const maxFilters = 100;

/** end-12a and 12b of the distribution-spec. */
export function referrerEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "referrers.list",
      method: "GET",
      path: "/v2/{name}/referrers/{digest}",
      can: { who: "repository", action: "pull" },
      summary: "Manifests that have the digest as their subject, filtered by `artifactType`, by pages.",
      query: [
        ...pageParameters,
        {
          name: "artifactType",
          form: "text",
          isRepeatable: true,
          description: "only manifests of this type",
        },
      ],
      honoursTagLimits: true,
      handle: async ({ actor }, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const subject = parseDigest(request.params["digest"] ?? "");
        const limited = tagLimitsOf(deps, actor, "pull", { repository, addressedAs: request.addressedAs });
        const artifactTypes = request.query.getAll("artifactType");
        if (artifactTypes.length > maxFilters || artifactTypes.some((type) => type.includes("\0"))) {
          throw new AppError(
            "REQUEST_INVALID",
            `at most ${maxFilters} artifact types, without control characters`,
          );
        }
        const page = parsePage(request.query, limits);
        const { descriptors, next } = await listReferrers(deps, {
          repository,
          subject,
          artifactTypes,
          after: parseCursor(page.last),
          // What lies outside the tags of the credential has no referrers for it.
          limit: limited === undefined || (await limited.reaches(subject)) ? page.limit : 0,
        });
        const value = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: descriptors };
        return {
          status: 200,
          headers: {
            "content-type": mediaTypes.imageIndex,
            ...(artifactTypes.length === 0 ? {} : { "oci-filters-applied": "artifactType" }),
            ...(next === undefined
              ? {}
              : {
                  link: formatNextLink(
                    nextUrl(request.addressedAs ?? repository, subject, artifactTypes, page.limit, next),
                  ),
                }),
          },
          body: { kind: "bytes", bytes: Buffer.from(JSON.stringify(value)) },
        };
      },
    }),
  ];
}

function nextUrl(
  repository: string,
  subject: string,
  artifactTypes: readonly string[],
  limit: number,
  after: number,
): string {
  const query = new URLSearchParams({ n: String(limit), last: String(after) });
  for (const type of artifactTypes) query.append("artifactType", type);
  return `/v2/${repository}/referrers/${subject}?${query.toString()}`;
}

function parseCursor(last: string | undefined): number {
  if (last === undefined) return 0;
  if (!/^[0-9]{1,15}$/.test(last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be taken from the Link header of the page before");
  }
  return Number(last);
}
