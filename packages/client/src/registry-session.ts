import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import { createAuthorizer } from "./authorizer.ts";
import type { Credentials } from "./credentials.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./http-transport.ts";
import { readErrorText } from "./read-body.ts";
import { RegistryError, refusal } from "./registry-error.ts";

export interface SessionRequest {
  readonly method: HttpRequest["method"];
  /** A path of the registry, or an address it gave out: relative ones count from the registry. */
  readonly target: string | URL;
  readonly scopes: readonly Scope[];
  readonly what: string;
  /** Statuses that are answers; every other one is thrown as a refusal. */
  readonly accept: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  /** True when absent. */
  readonly mayRepeat?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Authorized requests to one registry. */
export interface RegistrySession {
  /** Scheme, host and port. */
  readonly origin: URL;
  /** An answer with one of the accepted statuses, its body unread; else `RegistryError`. */
  request(request: SessionRequest): Promise<HttpResponse>;
  /** An address that the registry gave out, relative to where it was found. */
  resolve(location: string, base?: URL): URL;
  tokenService(): URL | undefined;
  readonly signal: AbortSignal | undefined;
}

const maxRedirects = 5;
const redirectStatuses: readonly number[] = [301, 302, 303, 307, 308];

export function createRegistrySession(deps: {
  readonly transport: HttpTransport;
  readonly origin: URL;
  readonly credentials: Credentials | undefined;
  readonly nowMs: () => number;
  readonly signal?: AbortSignal | undefined;
}): RegistrySession {
  const { transport, origin } = deps;
  const authorizer = createAuthorizer(deps);

  function resolve(location: string, base: URL = origin): URL {
    if (!URL.canParse(location, base.href)) {
      throw new RegistryError(`${origin.host} gave out an address that is none`, { code: "BAD_ANSWER" });
    }
    const url = new URL(location, base);
    // Behind a proxy that ends TLS, some registries give out their address with http. The same host is meant.
    if (origin.protocol === "https:" && url.protocol === "http:" && url.hostname === origin.hostname) {
      url.protocol = "https:";
      if (url.port === "80" || url.port === "443") url.port = "";
    }
    const isAllowed = url.protocol === "https:" || (url.protocol === "http:" && origin.protocol === "http:");
    if (!isAllowed) {
      throw new RegistryError(
        `${origin.host} sends its clients to ${url.protocol}//${url.host}, which is not encrypted`,
        {
          code: "BAD_ANSWER",
        },
      );
    }
    return url;
  }

  async function follow(
    request: SessionRequest,
    signal: AbortSignal | undefined,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    let url = resolve(String(request.target));
    for (let redirects = 0; ; redirects++) {
      // distribution-spec, "Redirects": Authorization must not reach another host; a signed address refuses it besides.
      const isOwn = url.origin === origin.origin;
      const response = await transport.send({
        method: request.method,
        url,
        headers: { ...request.headers, ...(isOwn && authorization !== undefined ? { authorization } : {}) },
        mayRepeat: request.mayRepeat ?? true,
        what: request.what,
        ...(request.body && { body: request.body }),
        ...(signal && { signal }),
      });
      const location = response.header("location");
      if (!redirectStatuses.includes(response.status) || location === undefined) return response;
      await response.body.dump();
      // 301 to 303 turn other methods into GET (RFC 9110, 15.4), which would lose the body: only reads follow those.
      const keepsMethod = response.status === 307 || response.status === 308;
      if (redirects >= maxRedirects || !(keepsMethod || ["GET", "HEAD"].includes(request.method))) {
        throw new RegistryError(
          `cannot ${request.what} at ${origin.host}: it redirects without end or sense`,
          {
            status: response.status,
            code: "BAD_ANSWER",
          },
        );
      }
      url = resolve(location, url);
    }
  }

  return {
    origin,
    resolve,
    tokenService: () => authorizer.tokenService(),
    signal: deps.signal,
    async request(request) {
      const signal = joinSignals(deps.signal, request.signal);
      const authorization = await authorizer.authorizationFor(request.scopes, signal);
      let response = await follow(request, signal, authorization);
      if (response.status === 401) {
        const body = await readErrorText(response);
        const challenge = response.header("www-authenticate");
        const better = await authorizer.answerChallenge(challenge, request.scopes, authorization, signal);
        if (better === undefined) throw refusal(request.what, origin.host, 401, body);
        response = await follow(request, signal, better);
      }
      if (request.accept.includes(response.status)) return response;
      throw refusal(request.what, origin.host, response.status, await readErrorText(response));
    },
  };
}

function joinSignals(
  first: AbortSignal | undefined,
  second: AbortSignal | undefined,
): AbortSignal | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return AbortSignal.any([first, second]);
}

/** Token scopes for one repository; `actions` such as `["pull"]`. */
export function repositoryScope(repository: RepositoryName, actions: readonly string[]): Scope {
  return { type: "repository", name: repository, actions };
}
