import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import type { AccessMode, Credentials } from "../access.ts";
import type { Handler, RegistryReply, RegistryRequest } from "./registry-message.ts";
import { errorReply, jsonReply, requestHeader } from "./registry-message.ts";

/** A token is good for so many requests, so that a run has to fetch new ones. */
const requestsPerToken = 40;

/** Puts a check of identity in front of a registry. With `bearer`, `/token` is the token service. */
export function requireAccess(mode: AccessMode, credentials: Credentials, next: Handler): Handler {
  if (mode === "anonymous") return next;
  const basic = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
  const isBasic = (request: RegistryRequest): boolean => requestHeader(request, "authorization") === basic;
  if (mode === "basic") {
    return (request) => (isBasic(request) ? next(request) : challenge('Basic realm="reference"'));
  }

  const tokens = new Map<string, { readonly scopes: readonly string[]; usesLeft: number }>();
  return (request) => {
    if (request.path === "/token") {
      if (!isBasic(request)) return challenge('Basic realm="reference"');
      const token = randomUUID();
      const scopes = (request.query.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
      tokens.set(token, { scopes, usesLeft: requestsPerToken });
      return jsonReply(200, { token, access_token: token, expires_in: 60 });
    }
    const needed = neededScopes(request);
    const token = tokens.get(/^Bearer (.+)$/.exec(requestHeader(request, "authorization") ?? "")?.[1] ?? "");
    const isEnough =
      token !== undefined && token.usesLeft > 0 && needed.every((scope) => token.scopes.includes(scope));
    if (!isEnough) return challenge(`Bearer realm="/token",service="reference",scope="${needed.join(" ")}"`);
    token.usesLeft -= 1;
    return next(request);
  };
}

/** One scope for the repository of the request and, for a mount, one for the source. */
function neededScopes(request: RegistryRequest): readonly string[] {
  const name = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(request.path)?.[1];
  if (name === undefined) return [];
  const from = request.query.get("from");
  const source = request.query.has("mount") && from !== null ? [`repository:${from}:pull`] : [];
  return [`repository:${name}:${actions(request.method)}`, ...source];
}

function actions(method: string): string {
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "pull,push";
}

function challenge(value: string): RegistryReply {
  const reply = errorReply(401, "UNAUTHORIZED");
  return { ...reply, headers: { ...reply.headers, "WWW-Authenticate": value } };
}
