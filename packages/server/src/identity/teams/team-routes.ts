import { type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { shapeInvitation } from "../invitations/shape-invitation.ts";
import { addMember, removeMember } from "./change-members.ts";
import { changeTeam, createTeam, deleteTeam } from "./change-team.ts";
import { getTeam, listMemberPage, listTeamPage, type Team } from "./find-teams.ts";
import type { TeamBody, TeamPatch } from "./team-schema.ts";

const schemas = () => import("./team-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/organizations/{namespace}/teams";
const item = `${collection}/{team}`;
const members = `${item}/members`;
const view = { who: "namespace", action: "view" } as const;
const admin = { who: "namespace", action: "admin" } as const;

/** Teams of an organization, for those who are in one; changes, for those who administer it. */
export function teamEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "teams.list",
      method: "GET",
      path: collection,
      can: view,
      summary: "Teams of an organization by name (`n`, `last`).",
      query: pageParameters,
      reply: async () => (await schemas()).teamList,
      handle: async (_call, request) => {
        const { namespace } = namesIn(request);
        const page = parsePage(request.query, limits);
        const { teams, hasMore } = await listTeamPage(deps, namespace, page);
        const path = `/api/v1/organizations/${namespace}/teams`;
        const next = nextPage(path, page, { hasMore, lastKey: teams.at(-1)?.name });
        return { status: 200, body: { kind: "json", value: { teams: teams.map(shape), next } } };
      },
    }),
    endpoint({
      id: "teams.create",
      method: "POST",
      path: collection,
      can: admin,
      summary: "Create a team; its role is member unless said otherwise.",
      body: async () => (await schemas()).newTeam,
      reply: async () => (await schemas()).teamReply,
      handle: async (call, request) => {
        const { name, role = "member", description = "" } = request.body as TeamBody; // as: checked against `body` before
        const { namespace } = namesIn(request);
        const team = await createTeam(deps, call, { namespace, name, role, description });
        return { status: 201, body: { kind: "json", value: shape(team) } };
      },
    }),
    endpoint({
      id: "teams.get",
      method: "GET",
      path: item,
      can: view,
      summary: "One team.",
      reply: async () => (await schemas()).teamReply,
      handle: async (_call, request) => {
        const { namespace, name } = namesIn(request);
        return { status: 200, body: { kind: "json", value: shape(await getTeam(deps, namespace, name)) } };
      },
    }),
    endpoint({
      id: "teams.update",
      method: "PATCH",
      path: item,
      can: admin,
      summary: "Change a team's name, role or description.",
      body: async () => (await schemas()).teamPatch,
      reply: async () => (await schemas()).teamReply,
      handle: async (call, request) => {
        const change = request.body as TeamPatch; // as: checked against `body` before
        const team = await changeTeam(deps, call, namesIn(request), change);
        return { status: 200, body: { kind: "json", value: shape(team) } };
      },
    }),
    endpoint({
      id: "teams.delete",
      method: "DELETE",
      path: item,
      can: admin,
      needsRecentSignIn: true,
      summary: "Delete a team with what was granted to it.",
      handle: async (call, request) => {
        await deleteTeam(deps, call, namesIn(request));
        return { status: 204 };
      },
    }),
    ...memberEndpoints(deps),
  ];
}

function memberEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "team-members.list",
      method: "GET",
      path: members,
      can: view,
      summary: "People and robots in a team by name (`n`, `last`).",
      query: pageParameters,
      reply: async () => (await schemas()).memberList,
      handle: async (_call, request) => {
        const team = namesIn(request);
        const page = parsePage(request.query, limits);
        const { members: shown, hasMore } = await listMemberPage(deps, team, page);
        const path = `/api/v1/organizations/${team.namespace}/teams/${team.name}/members`;
        const next = nextPage(path, page, { hasMore, lastKey: shown.at(-1)?.username });
        return { status: 200, body: { kind: "json", value: { members: shown, next } } };
      },
    }),
    endpoint({
      id: "team-members.add",
      method: "PUT",
      path: `${members}/{username}`,
      can: admin,
      summary: "Put a person, or a robot of the organization, into a team; 202 = they were invited instead.",
      reply: async () => (await import("../invitations/invitation-schema.ts")).invitationReply,
      handle: async (call, request) => {
        const invitation = await addMember(deps, call, membershipIn(request));
        if (invitation === undefined) return { status: 204 };
        return { status: 202, body: { kind: "json", value: shapeInvitation(invitation) } };
      },
    }),
    endpoint({
      id: "team-members.remove",
      method: "DELETE",
      path: `${members}/{username}`,
      can: admin,
      summary: "Take somebody out of a team.",
      handle: async (call, request) => {
        await removeMember(deps, call, membershipIn(request));
        return { status: 204 };
      },
    }),
  ];
}

function namesIn(request: Request) {
  return { namespace: request.params["namespace"] ?? "", name: request.params["team"] ?? "" };
}

function membershipIn(request: Request) {
  const { namespace, name } = namesIn(request);
  return { namespace, team: name, username: request.params["username"] ?? "" };
}

function shape({ name, role, description, createdAtMs }: Team) {
  return { name, role, description, createdAtMs };
}
