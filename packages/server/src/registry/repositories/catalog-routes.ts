import { formatNextLink } from "@entrepot/oci/link-header";
import { type Call, type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { listCatalog } from "./list-catalog.ts";

// distribution's default; a larger `n` is clamped instead of refused.
const limits = { defaultLimit: 100, maxLimit: 1_000 };

/** end-1 of the distribution-spec, the catalog and the list of extensions. */
export function catalogEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  const extensions = async () => ({
    status: 200,
    body: { kind: "json", value: { extensions: [] } } as const,
  });
  return [
    endpoint({
      id: "registry.ping",
      method: "GET",
      path: "/v2/",
      can: { who: "identified" },
      summary: "Whether this is a registry, and how to sign in.",
      handle: async (call) => {
        requireIdentity(deps, call);
        return { status: 200, body: { kind: "json", value: {} } };
      },
    }),
    endpoint({
      id: "registry.ping-head",
      method: "HEAD",
      path: "/v2/",
      can: { who: "identified" },
      summary: "As GET /v2/, without a body.",
      handle: async (call) => {
        requireIdentity(deps, call);
        return { status: 200, headers: { "content-type": "application/json", "content-length": 2 } };
      },
    }),
    endpoint({
      id: "catalog.list",
      method: "GET",
      path: "/v2/_catalog",
      can: { who: "identified" },
      summary: "Repositories that the caller may pull, by pages (`n`, `last`).",
      query: pageParameters,
      extraScopes: () => [{ type: "registry", name: "catalog", actions: ["*"] }],
      handle: async (call, request) => {
        requireIdentity(deps, call);
        const page = parsePage(request.query, limits);
        const { repositories, hasMore } = await listCatalog(deps, call.actor, page);
        const last = repositories.at(-1)?.name;
        const next =
          hasMore && last !== undefined
            ? `/v2/_catalog?n=${page.limit}&last=${encodeURIComponent(last)}`
            : undefined;
        return {
          status: 200,
          headers: next === undefined ? {} : { link: formatNextLink(next) },
          body: { kind: "json", value: { repositories: repositories.map((repository) => repository.name) } },
        };
      },
    }),
    endpoint({
      id: "extensions.list",
      method: "GET",
      path: "/v2/_oci/ext/discover",
      can: { who: "identified" },
      summary: "Extensions of the distribution-spec that this registry has.",
      handle: extensions,
    }),
    endpoint({
      id: "extensions.list-of-repository",
      method: "GET",
      path: "/v2/{name}/_oci/ext/discover",
      can: { who: "repository", action: "pull" },
      summary: "Extensions that a repository has.",
      handle: extensions,
    }),
  ];
}

/**
 * Clients look at `/v2/` to learn whether to sign in: answered 200 without a token, they would never send a password, and `docker login` would
 * accept any. So somebody without any credential is challenged, and gets an anonymous token if they have no account.
 */
function requireIdentity(deps: RegistryDeps, call: Call): void {
  if (call.actor.kind === "user" || call.actor.limits !== undefined || deps.isOpen) return;
  throw new AppError("UNAUTHORIZED", "sign in, or ask the token service for an anonymous token");
}
