import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { type Actor, actorName, anonymous } from "../access/actor.ts";
import { AppError } from "../lib/app-error.ts";
import { authorize, challengeFor } from "./authorize.ts";
import type { BlobSender } from "./blob-sender.ts";
import type { BodyCheck } from "./check-body.ts";
import type { Endpoint, Reply } from "./endpoint.ts";
import { errorReply, surfaceOf } from "./error-reply.ts";
import { type PublicError, toPublicError } from "./error-table.ts";
import type { HttpDeps } from "./http-deps.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import type { Match } from "./match-path.ts";
import { readBody } from "./read-body.ts";
import { clientAddress, requestOrigin } from "./request-origin.ts";
import { sendReply } from "./send-reply.ts";

/** JSON and form bodies; blobs and manifests have their own limits. */
const maxBodyBytes = 1_048_576;
const maxUrlLength = 8_192;

export interface HandlerDeps extends HttpDeps {
  readonly match: (method: string, pathname: string) => Match;
  readonly bodyChecks: ReadonlyMap<Endpoint, BodyCheck>;
  readonly sender: BlobSender;
  readonly httpMetrics: HttpMetrics;
}

/** What is known of a request while it is worked on; filled step by step, read by the log line at the end. */
interface Progress {
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly remoteAddress: string;
  endpoint: Endpoint | undefined;
  params: Readonly<Record<string, string>>;
  actor: Actor;
  presented: "nothing" | "password" | "bad-token" | "narrow-token";
  code: string | undefined;
}

/** Works one request from its first byte to its log line. Never throws. */
export async function handleRequest(
  deps: HandlerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly expectsContinue: boolean },
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new Error("the client closed the connection"));
  });
  const progress = begin(deps, request);
  const bytesBefore = request.socket.bytesWritten;
  deps.httpMetrics.started();
  let status = 0;
  try {
    const reply = await answer(deps, request, response, progress, gone.signal, options.expectsContinue);
    status = reply.status;
    await sendReply(deps.sender, request, response, reply, progress, gone.signal);
  } catch (error) {
    // The reply was begun and cannot be made whole: the client must see that it is not.
    response.destroy();
    if (!gone.signal.aborted) deps.log.error({ error, requestId: progress.requestId }, "a reply broke off");
  } finally {
    const bytesOut = Math.max(0, request.socket.bytesWritten - bytesBefore);
    finish(deps, request, progress, { status, bytesOut, aborted: gone.signal.aborted });
  }
}

function begin(deps: HandlerDeps, request: IncomingMessage): Progress {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  const given = request.headers["x-request-id"];
  return {
    // A client's own id is taken when it is harmless in a log.
    requestId:
      typeof given === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : deps.newRequestId(),
    startedAtMs: performance.now(),
    pathname: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)),
    remoteAddress: clientAddress(
      { headers: request.headers, remoteAddress: request.socket.remoteAddress },
      deps.trustProxy,
    ),
    endpoint: undefined,
    params: {},
    actor: anonymous,
    presented: "nothing",
    code: undefined,
  };
}

/** The reply, of the handler or of an error. */
async function answer(
  deps: HandlerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  progress: Progress,
  signal: AbortSignal,
  expectsContinue: boolean,
): Promise<Reply> {
  let origin = "";
  try {
    if ((request.url ?? "").length > maxUrlLength) {
      throw new AppError("URI_TOO_LONG", `the address is longer than ${maxUrlLength} characters`);
    }
    const isTls = request.socket instanceof TLSSocket;
    origin = requestOrigin({ headers: request.headers, isTls }, deps);
    const endpoint = find(deps, request.method ?? "GET", progress);
    const target = { params: progress.params, query: progress.query };
    if (endpoint.can.who !== "public") {
      progress.actor = await authenticate(deps, request, progress);
      await authorize(deps.access, progress.actor, endpoint, target);
    }
    if (expectsContinue) response.writeContinue();
    const { requestId } = progress;
    const log = deps.log.child({ requestId });
    const body = await checkedBody(deps, request, endpoint, signal);
    return await endpoint.handle(
      { requestId, actor: progress.actor, log, signal },
      {
        ...target,
        headers: request.headers,
        body,
        raw: request,
        origin,
        remoteAddress: progress.remoteAddress,
      },
    );
  } catch (error) {
    return refuse(deps, request, progress, origin, error);
  }
}

function find(deps: HandlerDeps, method: string, progress: Progress): Endpoint {
  const match = deps.match(method, progress.pathname);
  if (match.kind === "found") {
    progress.endpoint = match.endpoint;
    progress.params = match.params;
    return match.endpoint;
  }
  if (match.kind === "wrong-method") {
    throw new AppError(
      "UNSUPPORTED",
      `${method.slice(0, 20)} is not possible here; ${match.allowed.join(", ")} is`,
      {
        detail: { allowed: match.allowed },
      },
    );
  }
  throw new AppError("NOT_FOUND", "there is nothing at this address");
}

async function authenticate(deps: HandlerDeps, request: IncomingMessage, progress: Progress): Promise<Actor> {
  const header = request.headers.authorization;
  const isToken = header !== undefined && /^bearer /i.test(header);
  if (header !== undefined) progress.presented = isToken ? "bad-token" : "password";
  const actor = await deps.authenticate(request.headers, progress.remoteAddress);
  if (isToken) progress.presented = "narrow-token";
  return actor;
}

async function checkedBody(
  deps: HandlerDeps,
  request: IncomingMessage,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<unknown> {
  const check = deps.bodyChecks.get(endpoint);
  if (check === undefined) return undefined;
  const timeout = AbortSignal.timeout(deps.limits.requestTimeoutMs);
  const bytes = await readBody(request, maxBodyBytes, AbortSignal.any([signal, timeout]));
  return check(bytes, request.headers["content-type"]);
}

function refuse(
  deps: HandlerDeps,
  request: IncomingMessage,
  progress: Progress,
  origin: string,
  error: unknown,
): Reply {
  const shown: PublicError = toPublicError(error);
  progress.code = shown.code;
  if (shown.code === "INTERNAL") {
    deps.log.error({ error, requestId: progress.requestId }, "a request failed in a way that nobody foresaw");
  }
  const reply = errorReply(shown, surfaceOf(progress.pathname), progress.requestId);
  const extra: Record<string, string> = {};
  if (shown.code === "UNAUTHORIZED") {
    extra["www-authenticate"] = challengeFor({
      endpoint: progress.endpoint,
      target: { params: progress.params, query: progress.query },
      origin,
      tokenService: deps.tokenService,
      presented: progress.presented,
    });
  }
  const match =
    progress.endpoint === undefined ? deps.match(request.method ?? "", progress.pathname) : undefined;
  if (match?.kind === "wrong-method") extra["allow"] = match.allowed.join(", ");
  return { ...reply, headers: { ...reply.headers, ...extra } };
}

function finish(
  deps: HandlerDeps,
  request: IncomingMessage,
  progress: Progress,
  outcome: { readonly status: number; readonly bytesOut: number; readonly aborted: boolean },
): void {
  const durationMs = performance.now() - progress.startedAtMs;
  const method = request.method ?? "";
  const endpoint = progress.endpoint?.id ?? "none";
  const bytesIn = Number(request.headers["content-length"] ?? 0) || 0;
  deps.httpMetrics.finished({
    endpoint,
    method,
    status: outcome.status,
    durationMs,
    bytesIn,
    bytesOut: outcome.bytesOut,
  });
  const fields = {
    requestId: progress.requestId,
    method,
    path: progress.pathname.slice(0, 512),
    endpoint,
    status: outcome.status,
    durationMs: Math.round(durationMs * 10) / 10,
    actor: actorName(progress.actor),
    remoteAddress: progress.remoteAddress,
    userAgent: request.headers["user-agent"]?.slice(0, 200),
    bytesIn,
    bytesOut: outcome.bytesOut,
    ...(progress.params["name"] === undefined ? {} : { repository: progress.params["name"].slice(0, 255) }),
    ...(progress.code === undefined ? {} : { code: progress.code }),
    ...(outcome.aborted ? { aborted: true } : {}),
  };
  // Health checks every few seconds would drown the rest.
  if (progress.pathname.startsWith("/health/")) deps.log.debug(fields, "request");
  else deps.log.info(fields, "request");
}
