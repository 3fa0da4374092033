import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { parsePage } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { deleteRepository, getRepository, type RepositoryRow, setVisibility } from "./change-repository.ts";
import { listCatalog } from "./list-catalog.ts";
import type { RepositoryPatch } from "./repository-schema.ts";

const schemas = () => import("./repository-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const item = "/api/v1/repositories/{name}";

/** Management of repositories; grants are with identity. */
export function repositoryEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "repositories.list",
      method: "GET",
      path: "/api/v1/repositories",
      can: { who: "identified" },
      summary: "Repositories that the caller may pull, by name (`n`, `last`).",
      reply: async () => (await schemas()).repositoryList,
      handle: async (call, request) => {
        const page = parsePage(request.query, limits);
        const { repositories, hasMore } = await listCatalog(deps, call.actor, page);
        const last = repositories.at(-1)?.name;
        const next =
          hasMore && last !== undefined
            ? `/api/v1/repositories?n=${page.limit}&last=${encodeURIComponent(last)}`
            : null;
        return {
          status: 200,
          body: { kind: "json", value: { repositories: repositories.map(shape), next } },
        };
      },
    }),
    endpoint({
      id: "repositories.get",
      method: "GET",
      path: item,
      can: { who: "repository", action: "pull" },
      summary: "One repository.",
      reply: async () => (await schemas()).repositoryReply,
      handle: async (_call, request) => {
        const repository = await getRepository(deps, parseRepositoryName(request.params["name"] ?? ""));
        return { status: 200, body: { kind: "json", value: shape(repository) } };
      },
    }),
    endpoint({
      id: "repositories.update",
      method: "PATCH",
      path: item,
      can: { who: "repository", action: "admin" },
      summary: "Change a repository's visibility.",
      body: async () => (await schemas()).repositoryPatch,
      reply: async () => (await schemas()).repositoryReply,
      handle: async (call, request) => {
        const name = parseRepositoryName(request.params["name"] ?? "");
        const { visibility } = request.body as RepositoryPatch; // as: checked against `body` before
        const repository = await setVisibility(deps, call, { name, visibility });
        return { status: 200, body: { kind: "json", value: shape(repository) } };
      },
    }),
    endpoint({
      id: "repositories.delete",
      method: "DELETE",
      path: item,
      can: { who: "repository", action: "admin" },
      summary: "Delete a repository with everything in it.",
      handle: async (call, request) => {
        await deleteRepository(deps, call, parseRepositoryName(request.params["name"] ?? ""));
        return { status: 204 };
      },
    }),
  ];
}

function shape(repository: RepositoryRow) {
  return {
    name: repository.name,
    visibility: repository.visibility,
    createdAtMs: repository.createdAtMs,
  };
}
