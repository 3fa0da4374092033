import type { IncomingMessage } from "node:http";
import { challengeFor } from "./authorize.ts";
import type { Endpoint, Reply } from "./endpoint.ts";
import { errorReply, surfaceOf } from "./error-reply.ts";
import { toPublicError } from "./error-table.ts";
import type { HttpDeps, TokenRealm } from "./http-deps.ts";
import type { Progress } from "./progress.ts";

type RefuseDeps = Pick<HttpDeps, "endpoints" | "log" | "realmOf" | "tokenService">;

/** The reply that tells a client what was wrong with its request, or that something is wrong here. Never throws. */
export async function refuseRequest(
  deps: RefuseDeps,
  request: IncomingMessage,
  progress: Progress,
  error: unknown,
): Promise<Reply> {
  const shown = toPublicError(error);
  progress.code = shown.code;
  if (shown.code === "INTERNAL") {
    deps.log.error({ error, requestId: progress.requestId }, "a request failed in a way that nobody foresaw");
  }
  const reply = errorReply(shown, surfaceOf(progress.pathname), progress.requestId);
  const { allowed } = progress;
  const headers: Record<string, string | number | readonly string[]> = { ...reply.headers };
  if (shown.code === "UNAUTHORIZED") {
    headers["www-authenticate"] = challengeFor({
      endpoint: progress.endpoint,
      target: { params: progress.params, query: progress.query },
      origin: progress.origin,
      tokenService: deps.tokenService,
      elsewhere: await realmElsewhere(deps, progress),
      presented: progress.presented,
    });
  }
  if (allowed !== undefined) headers["allow"] = allowed.join(", ");
  // RFC 9110, 15.5.6: a 405 names what is allowed; here that is what the path has beside the method that was refused.
  else if (reply.status === 405 && progress.endpoint !== undefined) {
    headers["allow"] = methodsBeside(deps, progress.endpoint, request.method).join(", ");
  }
  return { ...reply, headers };
}

/** The challenge is made all the same when nobody can tell: then it names our own service. */
async function realmElsewhere(deps: RefuseDeps, progress: Progress): Promise<TokenRealm | undefined> {
  const repository = progress.params["name"];
  if (repository === undefined || deps.realmOf === undefined) return undefined;
  try {
    return await deps.realmOf(repository);
  } catch (error) {
    deps.log.warn({ error }, "cannot tell where tokens for a repository come from");
    return undefined;
  }
}

function methodsBeside(deps: RefuseDeps, endpoint: Endpoint, method: string | undefined): readonly string[] {
  return deps.endpoints
    .filter((other) => other.path === endpoint.path && other.method !== method)
    .map((other) => other.method);
}
