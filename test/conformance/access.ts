import { Buffer } from "node:buffer";
import { failure } from "./case-problem.ts";
import type { Challenge } from "./challenge.ts";
import { parseChallenge } from "./challenge.ts";
import type { HttpReply, HttpRequest } from "./http-exchange.ts";
import { headerValue } from "./http-exchange.ts";
import { parseJson, propertyOf } from "./json-value.ts";

export const accessModes = ["anonymous", "basic", "bearer"] as const;
export type AccessMode = (typeof accessModes)[number];

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Proves to the registry who is calling. Holds cached tokens, so one instance belongs to one run. */
export interface Access {
  /** The `Authorization` value to send at once, or undefined to send the request without one. */
  readonly current: (request: HttpRequest) => string | undefined;
  /** The `Authorization` value to try again with after a 401, or undefined when there is nothing more to try. */
  readonly answerChallenge: (request: HttpRequest, reply: HttpReply) => Promise<string | undefined>;
}

export interface AccessOptions {
  readonly mode: AccessMode;
  /** Needed by `basic` and `bearer`. */
  readonly credentials: Credentials | undefined;
  /** Sends the token request. */
  readonly send: (request: HttpRequest) => Promise<HttpReply>;
}

/**
 * `anonymous` never sends `Authorization`. `basic` sends it with every request. `bearer` starts without, follows the first
 * `Www-Authenticate` of a 401 to the token service, and keeps the token per host, repository and kind of action; a 401 on
 * a kept token fetches a new one. Throws a plain `Error` when credentials are missing.
 */
export function createAccess(options: AccessOptions): Access {
  if (options.mode === "anonymous")
    return { current: () => undefined, answerChallenge: async () => undefined };
  const { credentials } = options;
  if (credentials === undefined)
    throw new Error(`access mode ${options.mode} needs a user name and a password`);
  const basic = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
  if (options.mode === "basic") return { current: () => basic, answerChallenge: async () => undefined };

  const tokens = new Map<string, string>();
  return {
    current: (request) => tokens.get(cacheKey(request)),
    answerChallenge: async (request, reply) => {
      const header = headerValue(reply, "WWW-Authenticate");
      if (header === undefined) throw failure("401 without a Www-Authenticate header");
      const token = await fetchToken(parseChallenge(header), basic, request.url, options.send);
      const authorization = `Bearer ${token}`;
      tokens.set(cacheKey(request), authorization);
      return authorization;
    },
  };
}

async function fetchToken(
  challenge: Challenge,
  basic: string,
  base: URL,
  send: (request: HttpRequest) => Promise<HttpReply>,
): Promise<string> {
  const url = new URL(challenge.realm, base);
  url.searchParams.set("service", challenge.service);
  // The whole scope text is one parameter, even when it holds several scopes separated by spaces (mounts).
  if (challenge.scope !== "") url.searchParams.set("scope", challenge.scope);
  const reply = await send({
    method: "GET",
    url,
    headers: [
      ["Accept", "application/json"],
      ["Authorization", basic],
    ],
  });
  if (reply.status !== 200) throw failure(`token request answered ${reply.status}, expected 200`);
  const body = parseJson(reply.body);
  const token = propertyOf(body, "access_token") ?? propertyOf(body, "token");
  if (typeof token !== "string" || token === "")
    throw failure("token reply has neither access_token nor token");
  return token;
}

/** Reading, writing and deleting need different scopes, and every repository has its own. */
function cacheKey(request: HttpRequest): string {
  const repository =
    /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(request.url.pathname)?.[1] ?? "";
  return `${request.url.host} ${repository} ${actionClass(request.method)}`;
}

function actionClass(method: string): "pull" | "push" | "delete" {
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "push";
}
