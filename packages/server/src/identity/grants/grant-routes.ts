import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { actorName } from "../../access/actor.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { GrantBody } from "../user-schema.ts";
import { listRepositoryGrants, removeGrant, setGrant } from "./manage-grants.ts";

const schemas = () => import("../user-schema.ts");

// A hyphen is no component of a repository name, so what follows it can never be part of one.
const collection = "/api/v1/repositories/{name}/-/grants";
const admin = { who: "repository", action: "admin" } as const;

/** Who may do what with a repository; for its administrators. */
export function grantEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "grants.list",
      method: "GET",
      path: collection,
      can: admin,
      summary: "Grants on a repository.",
      reply: async () => (await schemas()).grantList,
      handle: async (_call, request) => {
        const grants = await listRepositoryGrants(deps, parseRepositoryName(request.params["name"] ?? ""));
        const value = {
          grants: grants.flatMap(({ username, role }) =>
            username === undefined ? [] : [{ username, role }],
          ),
        };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "grants.set",
      method: "PUT",
      path: `${collection}/{username}`,
      can: admin,
      summary: "Grant a user a role on a repository: read, write or admin.",
      body: async () => (await schemas()).grantBody,
      reply: async () => (await schemas()).grantReply,
      handle: async (call, request) => {
        const { role } = request.body as GrantBody; // as: checked against `body` before
        const username = request.params["username"] ?? "";
        const repository = parseRepositoryName(request.params["name"] ?? "");
        await setGrant(deps, { repository, username, role, actor: actorName(call.actor) });
        return { status: 200, body: { kind: "json", value: { username, role } } };
      },
    }),
    endpoint({
      id: "grants.remove",
      method: "DELETE",
      path: `${collection}/{username}`,
      can: admin,
      summary: "Take a user's grant on a repository back.",
      handle: async (_call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        await removeGrant(deps, { repository, username: request.params["username"] ?? "" });
        return { status: 204 };
      },
    }),
  ];
}
