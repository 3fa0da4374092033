import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { changeOrganization, deleteOrganization } from "./change-organization.ts";
import { createOrganization } from "./create-organization.ts";
import { describeNamespace } from "./describe-namespace.ts";
import { getNamespace, listOrganizationPage } from "./find-organizations.ts";
import type { OrganizationBody, OrganizationPatch } from "./organization-schema.ts";

const schemas = () => import("./organization-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/organizations";
const item = `${collection}/{namespace}`;
const view = { who: "namespace", action: "view" } as const;
const admin = { who: "namespace", action: "admin" } as const;

/** Namespaces that several people share. What is set for an organization can be set for a user's own namespace, too. */
export function organizationEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "organizations.list",
      method: "GET",
      path: collection,
      can: { who: "signed-in" },
      summary:
        "Organizations that the caller is in a team of, by name (`n`, `last`); all for administrators and auditors.",
      query: pageParameters,
      reply: async () => (await schemas()).organizationList,
      handle: async ({ actor }, request) => {
        const page = parsePage(request.query, limits);
        const { organizations, hasMore } = await listOrganizationPage(deps, actor, page);
        const next = nextPage(collection, page, { hasMore, lastKey: organizations.at(-1)?.name });
        const value = { organizations: organizations.map(describeNamespace), next };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "organizations.create",
      method: "POST",
      path: collection,
      can: { who: "person" },
      summary: "Create an organization, administered by its first team `owners`, which the caller is in.",
      body: async () => (await schemas()).newOrganization,
      reply: async () => (await schemas()).namespaceReply,
      handle: async (call, request) => {
        const body = request.body as OrganizationBody; // as: checked against `body` before
        const value = describeNamespace(await createOrganization(deps, call, body));
        return { status: 201, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "organizations.get",
      method: "GET",
      path: item,
      can: view,
      summary: "One organization, or a user's own namespace.",
      reply: async () => (await schemas()).namespaceReply,
      handle: async (_call, request) => {
        const namespace = await getNamespace(deps, request.params["namespace"] ?? "");
        return { status: 200, body: { kind: "json", value: describeNamespace(namespace) } };
      },
    }),
    endpoint({
      id: "organizations.update",
      method: "PATCH",
      path: item,
      can: admin,
      summary: "Change what is said of a namespace, and what new repositories in it are like.",
      body: async () => (await schemas()).organizationPatch,
      reply: async () => (await schemas()).namespaceReply,
      handle: async (call, request) => {
        const change = request.body as OrganizationPatch; // as: checked against `body` before
        const namespace = await changeOrganization(deps, call, request.params["namespace"] ?? "", change);
        return { status: 200, body: { kind: "json", value: describeNamespace(namespace) } };
      },
    }),
    endpoint({
      id: "organizations.delete",
      method: "DELETE",
      path: item,
      can: admin,
      needsRecentSignIn: true,
      summary: "Delete an organization that has no repositories, with its teams, robots and grants.",
      handle: async (call, request) => {
        await deleteOrganization(deps, call, request.params["namespace"] ?? "");
        return { status: 204 };
      },
    }),
  ];
}
