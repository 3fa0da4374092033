import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { parsePage } from "../../lib/page.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { changeRepository, deleteRepository, getRepository } from "./change-repository.ts";
import { createRepository } from "./create-repository.ts";
import { listCatalog } from "./list-catalog.ts";
import { listHidden } from "./list-hidden.ts";
import type { NewRepositoryBody, RepositoryPatch } from "./repository-schema.ts";
import { shapeRepository } from "./shape-repository.ts";

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
      summary:
        "Repositories that the caller may pull, by name (`n`, `last`); with `state=hidden` the hidden ones, for administrators and auditors.",
      query: pageParameters,
      reply: async () => (await schemas()).repositoryList,
      handle: async (call, request) => {
        const page = parsePage(request.query, limits);
        const isHidden = request.query.get("state") === "hidden";
        const list = isHidden ? listHidden : listCatalog;
        const { repositories, hasMore } = await list(deps, call.actor, page);
        const last = repositories.at(-1)?.name;
        const filter = isHidden ? "state=hidden&" : "";
        const next =
          hasMore && last !== undefined
            ? `/api/v1/repositories?${filter}n=${page.limit}&last=${encodeURIComponent(last)}`
            : null;
        return {
          status: 200,
          body: { kind: "json", value: { repositories: repositories.map(shapeRepository), next } },
        };
      },
    }),
    endpoint({
      id: "repositories.create",
      method: "POST",
      path: "/api/v1/organizations/{namespace}/repositories",
      can: { who: "namespace", action: "create" },
      summary: "Create an empty repository; `name` is the whole name.",
      body: async () => (await schemas()).newRepository,
      reply: async () => (await schemas()).repositoryReply,
      handle: async (call, request) => {
        const { name, ...settings } = request.body as NewRepositoryBody; // as: checked against `body` before
        const namespace = request.params["namespace"] ?? "";
        const created = { ...settings, namespace, name: parseRepositoryName(name) };
        const repository = await createRepository(deps, call, created);
        return { status: 201, body: { kind: "json", value: shapeRepository(repository) } };
      },
    }),
    endpoint({
      id: "repositories.get",
      method: "GET",
      path: item,
      can: { who: "repository", action: "pull", orOverseer: true },
      summary: "One repository; a hidden one for whoever administers it, and auditors.",
      reply: async () => (await schemas()).repositoryReply,
      handle: async (_call, request) => {
        const repository = await getRepository(deps, parseRepositoryName(request.params["name"] ?? ""));
        return { status: 200, body: { kind: "json", value: shapeRepository(repository) } };
      },
    }),
    endpoint({
      id: "repositories.update",
      method: "PATCH",
      path: item,
      can: { who: "repository", action: "admin" },
      summary: "Change a repository's visibility, state or description.",
      body: async () => (await schemas()).repositoryPatch,
      reply: async () => (await schemas()).repositoryReply,
      handle: async (call, request) => {
        const name = parseRepositoryName(request.params["name"] ?? "");
        const change = request.body as RepositoryPatch; // as: checked against `body` before
        const repository = await changeRepository(deps, call, name, change);
        return { status: 200, body: { kind: "json", value: shapeRepository(repository) } };
      },
    }),
    endpoint({
      id: "repositories.delete",
      method: "DELETE",
      path: item,
      can: { who: "repository", action: "admin" },
      needsRecentSignIn: true,
      summary: "Delete a repository with everything in it.",
      handle: async (call, request) => {
        await deleteRepository(deps, call, parseRepositoryName(request.params["name"] ?? ""));
        return { status: 204 };
      },
    }),
  ];
}
