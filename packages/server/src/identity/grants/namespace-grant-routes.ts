import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters, type QueryParameter } from "../../http/query-parameter.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { PathGrantBody } from "./grant-schema.ts";
import { toNamedSubject } from "./grant-subject.ts";
import { type Grant, listCollaboratorPage, listGrantPage } from "./list-namespace-grants.ts";
import { removeGrant, setGrant } from "./manage-grants.ts";

const schemas = () => import("./grant-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/organizations/{namespace}/grants";
const grantParameters: readonly QueryParameter[] = [
  ...pageParameters,
  { name: "repositories", form: "boolean", description: "also the grants on single repositories" },
];
const removalParameters: readonly QueryParameter[] = [
  { name: "pattern", form: "text", description: "what the grant is on", isRequired: true },
  { name: "username", form: "text", description: "the user or robot that has it" },
  { name: "team", form: "text", description: "the team that has it" },
];
const view = { who: "namespace", action: "view" } as const;
const admin = { who: "namespace", action: "admin" } as const;

/** Grants on paths of an organization or of a user's own namespace, and who has any from outside. */
export function namespaceGrantEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "namespace-grants.list",
      method: "GET",
      path: collection,
      can: view,
      summary:
        "Grants on paths (`n`, `last`); with `repositories=true` also those on single repositories. Members see those that concern them.",
      query: grantParameters,
      reply: async () => (await schemas()).namespaceGrantList,
      handle: async ({ actor }, request) => {
        const namespace = request.params["namespace"] ?? "";
        const page = parsePage(request.query, limits);
        const withRepositories = request.query.get("repositories") === "true";
        const { grants, hasMore } = await listGrantPage(deps, actor, { namespace, withRepositories, page });
        const path = `/api/v1/organizations/${namespace}/grants${withRepositories ? "?repositories=true" : ""}`;
        const next = nextPage(path, page, { hasMore, lastKey: grants.at(-1)?.id.toString() });
        return { status: 200, body: { kind: "json", value: { grants: grants.map(shape), next } } };
      },
    }),
    endpoint({
      id: "namespace-grants.set",
      method: "POST",
      path: collection,
      can: admin,
      summary:
        "Grant a user, robot or team a role on the paths of a pattern, in place of the one it had there.",
      body: async () => (await schemas()).pathGrantBody,
      reply: async () => (await schemas()).pathGrantReply,
      handle: async (call, request) => {
        const body = request.body as PathGrantBody; // as: checked against `body` before
        const { role, pattern, expiresAtMs } = body;
        const { isNew } = await setGrant(deps, call, {
          place: { namespace: request.params["namespace"] ?? "", pattern },
          subject: toNamedSubject(body),
          role,
          expiresAtMs: expiresAtMs ?? undefined,
        });
        const { username = null, team = null } = body;
        const value = { pattern, username, team, role, expiresAtMs: expiresAtMs ?? null };
        return { status: isNew ? 201 : 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "namespace-grants.remove",
      method: "DELETE",
      path: collection,
      can: admin,
      summary: "Take a grant on paths back: `pattern`, and `username` or `team`.",
      query: removalParameters,
      handle: async (call, request) => {
        await removeGrant(deps, call, {
          place: {
            namespace: request.params["namespace"] ?? "",
            pattern: request.query.get("pattern") ?? "",
          },
          subject: toNamedSubject({
            username: request.query.get("username") ?? undefined,
            team: request.query.get("team") ?? undefined,
          }),
        });
        return { status: 204 };
      },
    }),
    endpoint({
      id: "collaborators.list",
      method: "GET",
      path: "/api/v1/organizations/{namespace}/collaborators",
      can: view,
      summary: "Who has grants in a namespace without being in a team of it, by name (`n`, `last`).",
      query: pageParameters,
      reply: async () => (await schemas()).collaboratorList,
      handle: async (_call, request) => {
        const namespace = request.params["namespace"] ?? "";
        const page = parsePage(request.query, limits);
        const { collaborators, hasMore } = await listCollaboratorPage(deps, namespace, page);
        const path = `/api/v1/organizations/${namespace}/collaborators`;
        const next = nextPage(path, page, { hasMore, lastKey: collaborators.at(-1)?.username });
        const value = {
          collaborators: collaborators.map(({ username, account, grants }) => ({
            username,
            kind: account,
            grants,
          })),
          next,
        };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}

function shape(grant: Grant) {
  return {
    id: grant.id,
    pattern: grant.isPattern ? grant.place : null,
    repository: grant.isPattern ? null : grant.place,
    username: grant.username ?? null,
    team: grant.team ?? null,
    role: grant.role,
    expiresAtMs: grant.expiresAtMs ?? null,
    createdAtMs: grant.createdAtMs,
    createdBy: grant.createdBy ?? null,
  };
}
