import { toScopeJson } from "../../access/credential-scope.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { credentialFormats, credentialReply } from "../credentials/credential-reply.ts";
import { pathId } from "../credentials/path-id.ts";
import { readUsage } from "../credentials/read-usage.ts";
import { usageParameters } from "../credentials/usage-reply.ts";
import { shapeLimits } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getUser } from "../users/find-users.ts";
import type { AccessTokenPatch, NewAccessToken, Rotation } from "./access-token-schema.ts";
import {
  changeAccessToken,
  createAccessToken,
  getOwnAccessToken,
  type ListedToken,
  listOwnAccessTokens,
  listTokensOf,
  revokeAccessToken,
  revokeTokenOf,
  revokeTokenSecret,
  rotateAccessToken,
} from "./manage-access-tokens.ts";

const schemas = () => import("./access-token-schema.ts");

const collection = "/api/v1/me/access-tokens";
const item = `${collection}/{id}`;
const person = { who: "person" } as const;

/** Everybody's own access tokens, and what administrators see and end of others'. */
export function accessTokenEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [...ownEndpoints(deps), ...secretEndpoints(deps), ...usageEndpoints(deps), ...othersEndpoints(deps)];
}

function ownEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "access-tokens.list",
      method: "GET",
      path: collection,
      can: person,
      summary: "One's own access tokens, without their secrets.",
      reply: async () => (await schemas()).accessTokenList,
      handle: async (call) => {
        const tokens = await listOwnAccessTokens(deps, call);
        return { status: 200, body: { kind: "json", value: { tokens: tokens.map(shapeToken) } } };
      },
    }),
    endpoint({
      id: "access-tokens.create",
      method: "POST",
      path: collection,
      can: person,
      makesCredentials: true,
      summary: "Make an access token; the secret is in this reply and never again.",
      query: credentialFormats,
      body: async () => (await schemas()).newAccessToken,
      reply: async () => (await schemas()).createdAccessToken,
      handle: async (call, request) => {
        const body = request.body as NewAccessToken; // as: checked against `body` before
        const { token, secret } = await createAccessToken(deps, call, body);
        const value = { token: shapeToken(await getOwnAccessToken(deps, call, token.id)) };
        return credentialReply(request, 201, { username: usernameOf(call.actor), secret, value });
      },
    }),
    endpoint({
      id: "access-tokens.get",
      method: "GET",
      path: item,
      can: person,
      summary: "One of one's own access tokens.",
      reply: async () => (await schemas()).accessTokenReply,
      handle: async (call, request) => {
        const value = shapeToken(await getOwnAccessToken(deps, call, pathId(request, "id")));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "access-tokens.update",
      method: "PATCH",
      path: item,
      can: person,
      summary: "Change name, networks and life of an access token; narrow its scopes.",
      body: async () => (await schemas()).accessTokenPatch,
      reply: async () => (await schemas()).accessTokenReply,
      handle: async (call, request) => {
        const change = request.body as AccessTokenPatch; // as: checked against `body` before
        const value = shapeToken(await changeAccessToken(deps, call, pathId(request, "id"), change));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "access-tokens.revoke",
      method: "DELETE",
      path: item,
      can: person,
      summary: "Revoke an access token and all that was got with it.",
      handle: async (call, request) => {
        await revokeAccessToken(deps, call, pathId(request, "id"));
        return { status: 204 };
      },
    }),
  ];
}

function secretEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "access-tokens.rotate",
      makesCredentials: true,
      method: "POST",
      path: `${item}/rotate`,
      can: person,
      summary:
        "Give an access token a new secret; the old one stays good for `graceSeconds`, a day when absent.",
      query: credentialFormats,
      body: async () => (await schemas()).rotation,
      reply: async () => (await schemas()).createdAccessToken,
      handle: async (call, request) => {
        const body = request.body as Rotation; // as: checked against `body` before
        const id = pathId(request, "id");
        const { secret } = await rotateAccessToken(deps, call, id, body);
        const value = { token: shapeToken(await getOwnAccessToken(deps, call, id)) };
        return credentialReply(request, 200, { username: usernameOf(call.actor), secret, value });
      },
    }),
    endpoint({
      id: "access-tokens.revoke-secret",
      method: "DELETE",
      path: `${item}/secrets/{secret}`,
      can: person,
      summary: "End one of the two secrets of an access token.",
      handle: async (call, request) => {
        await revokeTokenSecret(deps, call, pathId(request, "id"), pathId(request, "secret"));
        return { status: 204 };
      },
    }),
  ];
}

function usageEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "access-tokens.usage",
      method: "GET",
      path: `${item}/usage`,
      can: person,
      summary: "What an access token was used for, by day and repository.",
      query: usageParameters,
      reply: async () => (await schemas()).usageList,
      handle: async (call, request) => {
        const { token } = await getOwnAccessToken(deps, call, pathId(request, "id"));
        const value = await readUsage(deps, { accessTokenId: token.id }, request.query);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}

function othersEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "users.access-tokens.list",
      method: "GET",
      path: "/api/v1/users/{username}/access-tokens",
      can: { who: "auditor" },
      summary: "A user's access tokens, without their secrets.",
      reply: async () => (await schemas()).accessTokenList,
      handle: async (_call, request) => {
        const user = await getUser(deps, request.params["username"] ?? "");
        const tokens = await listTokensOf(deps, user.id);
        return { status: 200, body: { kind: "json", value: { tokens: tokens.map(shapeToken) } } };
      },
    }),
    endpoint({
      id: "users.access-tokens.revoke",
      method: "DELETE",
      path: "/api/v1/users/{username}/access-tokens/{id}",
      can: { who: "administrator" },
      summary: "Revoke a user's access token and all that was got with it.",
      handle: async (call, request) => {
        const { id: userId, username } = await getUser(deps, request.params["username"] ?? "");
        await revokeTokenOf(deps, call, { userId, username }, pathId(request, "id"));
        return { status: 204 };
      },
    }),
  ];
}

function usernameOf(actor: { readonly kind: string; readonly username?: string }): string {
  return actor.username ?? "";
}

/** A token as the API tells it: to its owner, to administrators, and to those who manage robots. */
export function shapeToken({ token, secrets }: ListedToken) {
  return {
    id: token.id,
    kind: token.kind,
    name: token.name,
    description: token.description,
    scopes: token.scopes?.map(toScopeJson) ?? null,
    networks: token.networks?.map(({ text }) => text) ?? null,
    createdAtMs: token.createdAtMs,
    notBeforeMs: token.notBeforeMs ?? null,
    expiresAtMs: token.expiresAtMs ?? null,
    lastUsedAtMs: token.lastUsedAtMs ?? null,
    lastUsedAddress: token.lastUsedAddress ?? null,
    ...shapeLimits(token.limits),
    secrets: secrets.map((secret) => ({
      id: secret.id,
      createdAtMs: secret.createdAtMs,
      expiresAtMs: secret.expiresAtMs ?? null,
      isLegacy: secret.isLegacy,
    })),
  };
}
