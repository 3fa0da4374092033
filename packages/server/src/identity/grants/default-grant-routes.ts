import { type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { DefaultGrantBody, DefaultGrantPatch } from "./grant-schema.ts";
import { toNamedSubject } from "./grant-subject.ts";
import {
  addDefaultGrant,
  changeDefaultGrant,
  type DefaultGrant,
  listDefaultGrantsOf,
  removeDefaultGrant,
} from "./manage-default-grants.ts";

const schemas = () => import("./grant-schema.ts");

const collection = "/api/v1/organizations/{namespace}/default-grants";
const item = `${collection}/{id}`;
const view = { who: "namespace", action: "view" } as const;
const admin = { who: "namespace", action: "admin" } as const;

/** Grants that new repositories of a namespace start with. */
export function defaultGrantEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "default-grants.list",
      method: "GET",
      path: collection,
      can: view,
      summary: "What new repositories of a namespace start with.",
      reply: async () => (await schemas()).defaultGrantList,
      handle: async (_call, request) => {
        const defaultGrants = (await listDefaultGrantsOf(deps, namespaceIn(request))).map(shape);
        return { status: 200, body: { kind: "json", value: { defaultGrants } } };
      },
    }),
    endpoint({
      id: "default-grants.create",
      method: "POST",
      path: collection,
      can: admin,
      summary:
        "Add a grant that new repositories start with; with `creator`, only those that this one creates.",
      body: async () => (await schemas()).newDefaultGrant,
      reply: async () => (await schemas()).defaultGrantReply,
      handle: async (call, request) => {
        const body = request.body as DefaultGrantBody; // as: checked against `body` before
        const grant = await addDefaultGrant(deps, call, {
          namespace: namespaceIn(request),
          creator: body.creator,
          subject: toNamedSubject(body),
          role: body.role,
        });
        return { status: 201, body: { kind: "json", value: shape(grant) } };
      },
    }),
    endpoint({
      id: "default-grants.update",
      method: "PATCH",
      path: item,
      can: admin,
      summary: "Change the role of a default grant.",
      body: async () => (await schemas()).defaultGrantPatch,
      reply: async () => (await schemas()).defaultGrantReply,
      handle: async (call, request) => {
        const { role } = request.body as DefaultGrantPatch; // as: checked against `body` before
        const id = idIn(request);
        const grant = await changeDefaultGrant(deps, call, { namespace: namespaceIn(request), id, role });
        return { status: 200, body: { kind: "json", value: shape(grant) } };
      },
    }),
    endpoint({
      id: "default-grants.delete",
      method: "DELETE",
      path: item,
      can: admin,
      summary: "Delete a default grant; what repositories got by it stays.",
      handle: async (call, request) => {
        await removeDefaultGrant(deps, call, { namespace: namespaceIn(request), id: idIn(request) });
        return { status: 204 };
      },
    }),
  ];
}

function namespaceIn(request: Request): string {
  return request.params["namespace"] ?? "";
}

function idIn(request: Request): number {
  const text = request.params["id"] ?? "";
  if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such default grant");
  return Number(text);
}

function shape(grant: DefaultGrant) {
  return {
    id: grant.id,
    creator: grant.creator ?? null,
    username: grant.username ?? null,
    team: grant.team ?? null,
    role: grant.role,
    createdAtMs: grant.createdAtMs,
  };
}
