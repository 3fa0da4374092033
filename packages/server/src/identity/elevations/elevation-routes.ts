import type { UserActor } from "../../access/actor.ts";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { decide, endElevation, requestElevation } from "./change-elevation.ts";
import { shapeOfAssumable } from "./elevation-role-routes.ts";
import type { DecisionBody, NewElevation } from "./elevation-schema.ts";
import { type Elevation, findVisible, listVisible } from "./find-elevations.ts";
import { describeAssumable, referenceOf } from "./manage-elevation-roles.ts";

const schemas = () => import("./elevation-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const person = { who: "person" } as const;
const collection = "/api/v1/elevations";

/** Roles assumed for a time: asked for, approved by somebody else where that is needed, ended. */
export function elevationEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  const reply = async () => (await schemas()).elevationReply;
  const answer = (status: number, elevation: Elevation): Reply => ({
    status,
    body: { kind: "json", value: shape(elevation) },
  });

  async function settle(call: Call, request: Request, isApproved: boolean): Promise<Reply> {
    const { reason } = request.body as DecisionBody; // as: checked against `body` before
    const decision = { id: idOf(request), isApproved, reason };
    return answer(200, await decide(deps, call, personOf(call), decision));
  }

  return [
    endpoint({
      id: "me.elevation-roles",
      method: "GET",
      path: "/api/v1/me/elevation-roles",
      can: person,
      summary: "The roles that the caller may assume for a time.",
      reply: async () => (await schemas()).assumableList,
      handle: async (call) => {
        const roles = await describeAssumable(deps, personOf(call).userId);
        return { status: 200, body: { kind: "json", value: { roles: roles.map(shapeOfAssumable) } } };
      },
    }),
    endpoint({
      id: "elevations.list",
      method: "GET",
      path: collection,
      can: person,
      summary:
        "Elevations that the caller holds or held, or may decide about, newest first (`state`, `n`, `last`); all of them for auditors.",
      reply: async () => (await schemas()).elevationList,
      handle: async (call, request) => {
        const { last, limit } = parsePage(request.query, limits);
        const state = request.query.get("state") ?? undefined;
        const page = { state, last, limit };
        const { elevations, hasMore } = await listVisible(deps, personOf(call), page);
        const end = elevations.at(-1)?.id;
        const query = new URLSearchParams({ ...(state === undefined ? {} : { state }), n: String(limit) });
        const next = hasMore && end !== undefined ? `${collection}?${query.toString()}&last=${end}` : null;
        return { status: 200, body: { kind: "json", value: { elevations: elevations.map(shape), next } } };
      },
    }),
    endpoint({
      id: "elevations.request",
      method: "POST",
      path: collection,
      can: person,
      needsRecentSignIn: true,
      summary: "Assume a role for a time and a reason: at once, or as soon as somebody approves.",
      body: async () => (await schemas()).newElevation,
      reply,
      handle: async (call, request) => {
        const body = request.body as NewElevation; // as: checked against `body` before
        const elevation = await requestElevation(deps, call, personOf(call), body);
        return answer(elevation.state === "pending" ? 202 : 201, elevation);
      },
    }),
    endpoint({
      id: "elevations.get",
      method: "GET",
      path: `${collection}/{id}`,
      can: person,
      summary: "One elevation that the caller may see.",
      reply,
      handle: async (call, request) => answer(200, await findVisible(deps, personOf(call), idOf(request))),
    }),
    endpoint({
      id: "elevations.approve",
      method: "POST",
      path: `${collection}/{id}/approval`,
      can: person,
      needsRecentSignIn: true,
      summary: "Approve what somebody else has asked for.",
      body: async () => (await schemas()).decisionBody,
      reply,
      handle: (call, request) => settle(call, request, true),
    }),
    endpoint({
      id: "elevations.refuse",
      method: "POST",
      path: `${collection}/{id}/refusal`,
      can: person,
      summary: "Refuse what somebody else has asked for.",
      body: async () => (await schemas()).decisionBody,
      reply,
      handle: (call, request) => settle(call, request, false),
    }),
    endpoint({
      id: "elevations.end",
      method: "DELETE",
      path: `${collection}/{id}`,
      can: person,
      summary: "End an elevation before its time: one's own, or one that the caller could have approved.",
      handle: async (call, request) => {
        await endElevation(deps, call, personOf(call), idOf(request));
        return { status: 204 };
      },
    }),
  ];
}

function personOf({ actor }: Call): UserActor {
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return actor;
}

function idOf({ params }: Request): number {
  const id = params["id"] ?? "";
  if (!/^[0-9]{1,15}$/.test(id)) throw new AppError("NOT_FOUND", "there is no such elevation");
  return Number(id);
}

function shape(elevation: Elevation) {
  return {
    id: elevation.id,
    role: referenceOf({ namespace: elevation.namespace, name: elevation.roleName }),
    username: elevation.username,
    state: elevation.state,
    reason: elevation.reason,
    durationSeconds: elevation.durationSeconds,
    isAdministrator: elevation.isAdministrator,
    requestedAtMs: elevation.requestedAtMs,
    expiresAtMs: elevation.expiresAtMs,
    decidedAtMs: elevation.decidedAtMs ?? null,
    decidedBy: elevation.decidedBy ?? null,
    decisionReason: elevation.decisionReason ?? null,
    endedAtMs: elevation.endedAtMs ?? null,
    endedBy: elevation.endedBy ?? null,
  };
}
