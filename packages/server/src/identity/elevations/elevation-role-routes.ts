import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { RoleBody } from "./elevation-schema.ts";
import {
  type DescribedRole,
  describeRole,
  describeRoles,
  type ElevationRole,
  type MemberPower,
  type NamedMember,
  referenceOf,
  removeRole,
  saveRole,
} from "./manage-elevation-roles.ts";

const schemas = () => import("./elevation-schema.ts");

/** Roles that can be held for a time: of an organization, for those who administer it, and of the registry, for administrators. */
export function elevationRoleEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...endpointsAt(deps, {
      id: "organizations.elevation-roles",
      path: "/api/v1/organizations/{namespace}/elevation-roles",
      can: { who: "namespace", action: "admin" },
      whose: "an organization's",
    }),
    ...endpointsAt(deps, {
      id: "elevation-roles",
      path: "/api/v1/elevation-roles",
      can: { who: "administrator" },
      whose: "the registry's",
    }),
  ];
}

function endpointsAt(
  deps: IdentityDeps,
  at: { readonly id: string; readonly path: string; readonly can: Endpoint["can"]; readonly whose: string },
): readonly Endpoint[] {
  const { id, path, can, whose } = at;
  const placeOf = ({ params }: Request) => {
    const { namespace, role: name = "" } = params;
    // PostgreSQL takes no NUL, and nothing has one in its name.
    if (name.includes("\0") || namespace?.includes("\0") === true) {
      throw new AppError("NOT_FOUND", "there is no such role");
    }
    return { namespace, name };
  };

  async function save(call: Call, request: Request): Promise<Reply> {
    const draft = request.body as RoleBody; // as: checked against `body` before
    const { alertSecret, ...saved } = await saveRole(deps, call, placeOf(request), draft);
    const value = { ...shape(saved), ...(alertSecret === undefined ? {} : { alertSecret }) };
    return { status: 200, headers: { "cache-control": "no-store" }, body: { kind: "json", value } };
  }

  return [
    endpoint({
      id: `${id}.list`,
      method: "GET",
      path,
      can,
      summary: `List ${whose} roles that can be held for a time.`,
      reply: async () => (await schemas()).roleList,
      handle: async (_call, request) => {
        const roles = await describeRoles(deps, placeOf(request).namespace);
        return { status: 200, body: { kind: "json", value: { roles: roles.map(shape) } } };
      },
    }),
    endpoint({
      id: `${id}.get`,
      method: "GET",
      path: `${path}/{role}`,
      can,
      summary: `One of ${whose} roles that can be held for a time.`,
      reply: async () => (await schemas()).roleReply,
      handle: async (_call, request) => {
        const value = shape(await describeRole(deps, placeOf(request)));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: `${id}.set`,
      method: "PUT",
      path: `${path}/{role}`,
      can,
      needsRecentSignIn: true,
      summary: `Make one of ${whose} roles that can be held for a time, or change it.`,
      body: async () => (await schemas()).roleBody,
      reply: async () => (await schemas()).roleReply,
      handle: save,
    }),
    endpoint({
      id: `${id}.delete`,
      method: "DELETE",
      path: `${path}/{role}`,
      can,
      needsRecentSignIn: true,
      summary: `Delete one of ${whose} roles that can be held for a time; whoever holds it loses what it gave.`,
      handle: async (call, request) => {
        await removeRole(deps, call, placeOf(request));
        return { status: 204 };
      },
    }),
  ];
}

function shape({ role, members }: DescribedRole) {
  return {
    name: role.name,
    namespace: role.namespace ?? null,
    ...shapeOfAssumable(role),
    assumableBy: namesOf(members, "assume"),
    approvers: namesOf(members, "approve"),
    alert: { mail: role.alertMail, webhookUrl: role.alertUrl ?? null },
    createdAtMs: role.createdAtMs,
    createdBy: role.createdBy,
  };
}

/** What whoever may assume a role is told of it. */
export function shapeOfAssumable(role: ElevationRole) {
  const { description, isAdministrator, grants, maxDurationSeconds, requiresApproval } = role;
  const reference = referenceOf(role);
  return { reference, description, isAdministrator, grants, maxDurationSeconds, requiresApproval };
}

function namesOf(members: readonly NamedMember[], may: MemberPower) {
  return members
    .filter((member) => member.may === may)
    .map(({ username, team }) => (username === undefined ? { team } : { username }));
}
