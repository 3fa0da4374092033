import type { UserActor } from "../../access/actor.ts";
import { toScopeJson } from "../../access/credential-scope.ts";
import { type Call, type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { NewAccessToken } from "../user-schema.ts";
import {
  type AccessToken,
  createAccessToken,
  listOwnAccessTokens,
  revokeAccessToken,
} from "./manage-access-tokens.ts";

const schemas = () => import("../user-schema.ts");

const person = { who: "person" } as const;

/** Everybody's own personal access tokens. */
export function accessTokenEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "access-tokens.list",
      method: "GET",
      path: "/api/v1/me/access-tokens",
      can: person,
      summary: "One's own access tokens, without their secrets.",
      reply: async () => (await schemas()).accessTokenList,
      handle: async (call) => {
        const tokens = await listOwnAccessTokens(deps, ownerOf(call));
        return { status: 200, body: { kind: "json", value: { tokens: tokens.map(shape) } } };
      },
    }),
    endpoint({
      id: "access-tokens.create",
      method: "POST",
      path: "/api/v1/me/access-tokens",
      can: person,
      makesCredentials: true,
      summary: "Make an access token; the secret is in this reply and never again.",
      body: async () => (await schemas()).newAccessToken,
      reply: async () => (await schemas()).createdAccessToken,
      handle: async (call, request) => {
        const body = request.body as NewAccessToken; // as: checked against `body` before
        const { token, secret } = await createAccessToken(deps, ownerOf(call), body);
        const value = { token: shape(token), secret };
        return { status: 201, headers: { "cache-control": "no-store" }, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "access-tokens.revoke",
      method: "DELETE",
      path: "/api/v1/me/access-tokens/{id}",
      can: person,
      summary: "Revoke an access token and all that was got with it.",
      handle: async (call, request) => {
        const id = request.params["id"] ?? "";
        if (!/^[0-9]{1,15}$/.test(id)) throw new AppError("NOT_FOUND", "there is no such token");
        await revokeAccessToken(deps, ownerOf(call), Number(id));
        return { status: 204 };
      },
    }),
  ];
}

function ownerOf(call: Call): UserActor {
  if (call.actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return call.actor;
}

function shape(token: AccessToken) {
  return {
    id: token.id,
    name: token.name,
    scopes: token.scopes?.map(toScopeJson) ?? null,
    createdAtMs: token.createdAtMs,
    expiresAtMs: token.expiresAtMs ?? null,
    lastUsedAtMs: token.lastUsedAtMs ?? null,
  };
}
