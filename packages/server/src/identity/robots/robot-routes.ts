import { toScopeJson } from "../../access/credential-scope.ts";
import { type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import { credentialFormats, credentialReply } from "../credentials/credential-reply.ts";
import { shapeLimits } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getRobot, type ListedRobot, listRobotPage, type RobotName } from "./find-robots.ts";
import { changeRobot, createRobot, deleteRobot, revokeRobotSecret, rotateRobot } from "./manage-robots.ts";
import type { RobotBody, RobotPatch, RobotRotation } from "./robot-schema.ts";

const schemas = () => import("./robot-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/organizations/{namespace}/robots";
const item = `${collection}/{robot}`;
const view = { who: "namespace", action: "view" } as const;
const admin = { who: "namespace", action: "admin" } as const;

/** Accounts of programs, which an organization or a user owns. */
export function robotEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "robots.list",
      method: "GET",
      path: collection,
      can: view,
      summary: "Robots of an organization or of a user by name (`n`, `last`).",
      query: pageParameters,
      reply: async () => (await schemas()).robotList,
      handle: async (_call, request) => {
        const { namespace } = nameIn(request);
        const page = parsePage(request.query, limits);
        const { robots, hasMore } = await listRobotPage(deps, namespace, page);
        const shown = robots.map(shape);
        const path = `/api/v1/organizations/${namespace}/robots`;
        const next = nextPage(path, page, { hasMore, lastKey: shown.at(-1)?.name });
        return { status: 200, body: { kind: "json", value: { robots: shown, next } } };
      },
    }),
    endpoint({
      id: "robots.get",
      method: "GET",
      path: item,
      can: view,
      summary: "One robot.",
      reply: async () => (await schemas()).robotReply,
      handle: async (_call, request) => {
        const robot = await getRobot(deps, nameIn(request));
        return { status: 200, body: { kind: "json", value: shape(robot) } };
      },
    }),
    endpoint({
      id: "robots.update",
      method: "PATCH",
      path: item,
      can: admin,
      needsRecentSignIn: true,
      summary: "Change what is said of a robot, its life and its limits; disable it.",
      body: async () => (await schemas()).robotPatch,
      reply: async () => (await schemas()).robotReply,
      handle: async (call, request) => {
        const change = request.body as RobotPatch; // as: checked against `body` before
        const robot = await changeRobot(deps, call, nameIn(request), change);
        return { status: 200, body: { kind: "json", value: shape(robot) } };
      },
    }),
    endpoint({
      id: "robots.delete",
      method: "DELETE",
      path: item,
      can: admin,
      needsRecentSignIn: true,
      summary: "Delete a robot with its credential and grants.",
      handle: async (call, request) => {
        await deleteRobot(deps, call, nameIn(request));
        return { status: 204 };
      },
    }),
    ...secretEndpoints(deps),
  ];
}

function secretEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "robots.create",
      method: "POST",
      path: collection,
      can: admin,
      needsRecentSignIn: true,
      summary:
        "Make a robot, which may nothing until it is granted something; the secret is in this reply and never again.",
      query: credentialFormats,
      body: async () => (await schemas()).newRobot,
      reply: async () => (await schemas()).robotWithSecret,
      handle: async (call, request) => {
        const body = request.body as RobotBody; // as: checked against `body` before
        const { namespace } = nameIn(request);
        const { username, secret } = await createRobot(deps, call, { ...body, namespace });
        const robot = shape(await getRobot(deps, { namespace, name: body.name }));
        return credentialReply(request, 201, { username, secret, value: { robot } });
      },
    }),
    endpoint({
      id: "robots.rotate",
      method: "POST",
      path: `${item}/rotate`,
      can: admin,
      needsRecentSignIn: true,
      summary: "Give a robot a new secret; the old one stays good for `graceSeconds`, a day when absent.",
      query: credentialFormats,
      body: async () => (await schemas()).robotRotation,
      reply: async () => (await schemas()).robotWithSecret,
      handle: async (call, request) => {
        const options = request.body as RobotRotation; // as: checked against `body` before
        const name = nameIn(request);
        const { username, secret } = await rotateRobot(deps, call, name, options);
        const robot = shape(await getRobot(deps, name));
        return credentialReply(request, 200, { username, secret, value: { robot } });
      },
    }),
    endpoint({
      id: "robots.revoke-secret",
      method: "DELETE",
      path: `${item}/secrets/{secret}`,
      can: admin,
      summary: "End one of the two secrets of a robot.",
      handle: async (call, request) => {
        const text = request.params["secret"] ?? "";
        if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such secret");
        await revokeRobotSecret(deps, call, nameIn(request), Number(text));
        return { status: 204 };
      },
    }),
  ];
}

function nameIn(request: Request): RobotName {
  return { namespace: request.params["namespace"] ?? "", name: request.params["robot"] ?? "" };
}

function shape({ robot, token, secrets }: ListedRobot) {
  return {
    name: robot.username.slice(robot.username.indexOf("+") + 1),
    username: robot.username,
    description: robot.description,
    metadata: robot.metadata,
    isDisabled: robot.isDisabled,
    expiresAtMs: robot.expiresAtMs ?? null,
    createdAtMs: robot.createdAtMs,
    createdBy: robot.createdBy ?? null,
    scopes: token?.scopes?.map(toScopeJson) ?? null,
    networks: token?.networks?.map(({ text }) => text) ?? null,
    lastUsedAtMs: token?.lastUsedAtMs ?? null,
    lastUsedAddress: token?.lastUsedAddress ?? null,
    ...shapeLimits(token?.limits ?? {}),
    secrets: secrets.map(({ id, createdAtMs, expiresAtMs = null }) => ({ id, createdAtMs, expiresAtMs })),
  };
}
