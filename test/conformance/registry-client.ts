import type { Access } from "./access.ts";
import { failure } from "./case-problem.ts";
import type { HttpReply, HttpRequest, HttpSender } from "./http-exchange.ts";
import { headerValue } from "./http-exchange.ts";

/** A request that was sent and what came back; `reply` is absent when the connection broke. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly reply?: HttpReply;
}

/** Where a case keeps the exchanges it made, to show them if it does not pass. */
export type ExchangeLog = Exchange[];

/** Sends requests as a client of the registry would: with proof of identity, following redirects. */
export interface RegistryClient {
  /** Address of an endpoint below `/v2/`, for example `a/b/tags/list`. */
  readonly urlOf: (path: string) => URL;
  /** Resolves with the final reply, whatever its status. Throws a failed case if the connection breaks. */
  readonly send: (request: HttpRequest, log: ExchangeLog) => Promise<HttpReply>;
}

const redirectLimit = 5;

export function createRegistryClient(registry: URL, sender: HttpSender, access: Access): RegistryClient {
  const exchange = async (request: HttpRequest, log: ExchangeLog): Promise<HttpReply> => {
    try {
      const reply = await sender.send(request);
      log.push({ request, reply });
      return reply;
    } catch (cause) {
      log.push({ request });
      throw cause;
    }
  };

  const sendWithAccess = async (request: HttpRequest, log: ExchangeLog): Promise<HttpReply> => {
    // Whoever the registry redirects to must not see its credentials.
    if (request.url.origin !== registry.origin) return exchange(request, log);
    const reply = await exchange(withAuthorization(request, access.current(request)), log);
    if (reply.status !== 401) return reply;
    const authorization = await access.answerChallenge(request, reply);
    return authorization === undefined ? reply : exchange(withAuthorization(request, authorization), log);
  };

  return {
    urlOf: (path) => new URL(`/v2/${path}`, registry),
    send: async (request, log) => {
      let current = request;
      for (let redirects = 0; redirects <= redirectLimit; redirects += 1) {
        const reply = await sendWithAccess(current, log);
        const target = redirectTarget(current, reply);
        if (target === undefined) return reply;
        current = { ...current, url: target };
      }
      throw failure(`${request.method} ${request.url.href}: more than ${redirectLimit} redirects`);
    },
  };
}

function withAuthorization(request: HttpRequest, authorization: string | undefined): HttpRequest {
  if (authorization === undefined) return request;
  return { ...request, headers: [...(request.headers ?? []), ["Authorization", authorization]] };
}

/** Only 307 and 308 may repeat a request that has side effects; older codes turn into GET, so they are for reading. */
function redirectTarget(request: HttpRequest, reply: HttpReply): URL | undefined {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const isRedirect = [307, 308].includes(reply.status) || (isRead && [301, 302, 303].includes(reply.status));
  const location = headerValue(reply, "Location");
  return isRedirect && location !== undefined ? new URL(location, request.url) : undefined;
}
