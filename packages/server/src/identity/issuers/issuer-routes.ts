import { type Endpoint, endpoint, type Permission, type Request } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { IssuerPatch, NewIssuer } from "./issuer-schema.ts";
import {
  boxSummary,
  changeIssuer,
  createIssuer,
  deleteIssuer,
  getIssuer,
  type Issuer,
  listIssuersAt,
  rotateIssuer,
} from "./manage-issuers.ts";

const schemas = () => import("./issuer-schema.ts");
const noStore = { "cache-control": "no-store" };

/** Issuers of a namespace, for those who administer it; and those of the whole registry, for administrators. */
export function issuerEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...endpointsAt(deps, {
      id: "issuers",
      base: "/api/v1/organizations/{namespace}/issuers",
      can: { who: "namespace", action: "admin" },
    }),
    ...endpointsAt(deps, { id: "system-issuers", base: "/api/v1/issuers", can: { who: "administrator" } }),
  ];
}

interface Place {
  readonly id: string;
  readonly base: string;
  readonly can: Permission;
}

const homeOf = (request: Request) => request.params["namespace"];
const nameOf = (request: Request) => request.params["issuer"] ?? "";

function endpointsAt(deps: IdentityDeps, place: Place): readonly Endpoint[] {
  const { id, base, can } = place;
  const item = `${base}/{issuer}`;
  return [
    endpoint({
      id: `${id}.list`,
      method: "GET",
      path: base,
      can,
      summary: "Issuers and their boxes.",
      reply: async () => (await schemas()).issuerList,
      handle: async (_call, request) => {
        const issuers = await listIssuersAt(deps, homeOf(request));
        return { status: 200, body: { kind: "json", value: { issuers: issuers.map(shape) } } };
      },
    }),
    endpoint({
      id: `${id}.create`,
      method: "POST",
      path: base,
      can,
      needsRecentSignIn: true,
      summary: "Make an issuer; its secret is in this reply and never again.",
      body: async () => (await schemas()).newIssuer,
      reply: async () => (await schemas()).issuerSecret,
      handle: async (call, request) => {
        const body = request.body as NewIssuer; // as: checked against `body` before
        const { issuer, secret } = await createIssuer(deps, call, homeOf(request), body);
        const value = { issuer: shape(issuer), secret };
        return { status: 201, headers: noStore, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: `${id}.get`,
      method: "GET",
      path: item,
      can,
      summary: "One issuer and its box.",
      reply: async () => (await schemas()).issuerReply,
      handle: async (_call, request) => {
        const value = shape(await getIssuer(deps, homeOf(request), nameOf(request)));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: `${id}.update`,
      method: "PATCH",
      path: item,
      can,
      needsRecentSignIn: true,
      summary: "Change the box of an issuer, and with it all that it has issued; or disable both.",
      body: async () => (await schemas()).issuerPatch,
      reply: async () => (await schemas()).issuerReply,
      handle: async (call, request) => {
        const change = request.body as IssuerPatch; // as: checked against `body` before
        const value = shape(await changeIssuer(deps, call, homeOf(request), nameOf(request), change));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: `${id}.delete`,
      method: "DELETE",
      path: item,
      can,
      needsRecentSignIn: true,
      summary: "Delete an issuer and everything that it has issued.",
      handle: async (call, request) => {
        await deleteIssuer(deps, call, homeOf(request), nameOf(request));
        return { status: 204 };
      },
    }),
    endpoint({
      id: `${id}.rotate`,
      method: "POST",
      path: `${item}/rotate`,
      can,
      needsRecentSignIn: true,
      summary: "Give an issuer a new secret of its own; the old one stays good for `graceSeconds`.",
      body: async () => (await schemas()).rotation,
      reply: async () => (await schemas()).issuerSecret,
      handle: async (call, request) => {
        const body = request.body as { readonly graceSeconds?: number }; // as: checked against `body` before
        const { issuer, secret } = await rotateIssuer(deps, call, homeOf(request), nameOf(request), body);
        const value = { issuer: shape(issuer), secret };
        return { status: 200, headers: noStore, body: { kind: "json", value } };
      },
    }),
  ];
}

function shape(issuer: Issuer) {
  return {
    name: issuer.username.slice(issuer.username.indexOf("+") + 1),
    username: issuer.username,
    description: issuer.description,
    isDisabled: issuer.isDisabled,
    createdAtMs: issuer.createdAtMs,
    ...boxSummary(issuer.box),
  };
}
