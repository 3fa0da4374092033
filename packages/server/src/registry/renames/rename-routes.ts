import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { shapeRepository } from "../repositories/shape-repository.ts";
import { renameNamespace } from "./rename-namespace.ts";
import { renameRepository } from "./rename-repository.ts";
import type { RenameBody } from "./rename-schema.ts";

const schemas = () => import("./rename-schema.ts");

/** Other names for repositories and organizations; the old ones lead to them. */
export function renameEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "repositories.rename",
      method: "POST",
      path: "/api/v1/repositories/{name}/-/rename",
      can: { who: "repository", action: "admin" },
      needsRecentSignIn: true,
      summary:
        "Rename a repository, or move it to another namespace where the caller may create; it can still be pulled by the old name.",
      body: async () => (await schemas()).renameRepositoryBody,
      reply: async () => (await import("../repositories/repository-schema.ts")).repositoryReply,
      handle: async (call, request) => {
        const { name } = request.body as RenameBody; // as: checked against `body` before
        const from = parseRepositoryName(request.params["name"] ?? "");
        const repository = await renameRepository(deps, call, { from, to: parseRepositoryName(name) });
        return { status: 200, body: { kind: "json", value: shapeRepository(repository) } };
      },
    }),
    endpoint({
      id: "organizations.rename",
      method: "POST",
      path: "/api/v1/organizations/{namespace}/rename",
      can: { who: "namespace", action: "admin" },
      needsRecentSignIn: true,
      summary: "Rename an organization with everything in it; its old name leads to it and stays taken.",
      body: async () => (await schemas()).renameNamespaceBody,
      reply: async () => (await schemas()).renamedNamespace,
      handle: async (call, request) => {
        const { name } = request.body as RenameBody; // as: checked against `body` before
        const before = request.params["namespace"] ?? "";
        await renameNamespace(deps, call, { from: before, to: name });
        return { status: 200, body: { kind: "json", value: { name, before } } };
      },
    }),
  ];
}
