import type { IncomingMessage, ServerResponse } from "node:http";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import type { Actor } from "../access/actor.ts";
import { AppError } from "../lib/app-error.ts";
import type { MaybePromise } from "../lib/maybe-promise.ts";
import { authorize } from "./authorize.ts";
import { bearerMark } from "./bearer-mark.ts";
import { type BlobSender, ClientGone, type Transfer } from "./blob-sender.ts";
import type { BodyCheck } from "./check-body.ts";
import { checkSignIn } from "./check-sign-in.ts";
import { createCall } from "./create-call.ts";
import type { Departure } from "./departure.ts";
import type { Endpoint, Reply, Request } from "./endpoint.ts";
import { isBelow } from "./error-reply.ts";
import { finishRequest } from "./finish-request.ts";
import type { HttpDeps } from "./http-deps.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { nearestLimit, type RateLimiter, type RateState, rateHeaders, rateRefusal } from "./limit-rate.ts";
import type { Match } from "./match-path.ts";
import { beginProgress, type Progress } from "./progress.ts";
import { checkQuery } from "./query-parameter.ts";
import { readBody } from "./read-body.ts";
import { refuseRequest } from "./refuse-request.ts";
import { requestOrigin } from "./request-origin.ts";
import { securityHeaders } from "./security-headers.ts";
import { type Exchange, sendReply } from "./send-reply.ts";

/** JSON and form bodies; blobs and manifests have their own limits. */
const maxBodyBytes = 1_048_576;
const maxUrlLength = 8_192;

export interface HandlerDeps extends HttpDeps {
  readonly match: (method: string, pathname: string) => Match;
  readonly bodyChecks: ReadonlyMap<Endpoint, BodyCheck>;
  readonly sender: BlobSender;
  readonly httpMetrics: HttpMetrics;
  readonly rateLimiter: RateLimiter;
}

export interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client sends its body only after a "100 Continue". */
  readonly expectsContinue: boolean;
  readonly departure: Departure;
  /** Why the request is not even looked at; undefined = it is. */
  readonly refusal: AppError | undefined;
}

/** Works one request from its first byte to its log line. Never throws. */
export async function handleRequest(deps: HandlerDeps, incoming: Incoming): Promise<void> {
  const { request, departure } = incoming;
  const progress = beginProgress(deps, request);
  deps.httpMetrics.started();
  let isAborted = false;
  try {
    const reply = await answer(deps, incoming, progress);
    await send(deps, incoming, progress, reply);
  } catch (error) {
    isAborted = departure.hasLeft || error instanceof ClientGone;
    if (!isAborted) await breakOff(deps, incoming, progress, error);
    else incoming.response.destroy();
  } finally {
    finishRequest(deps, request, progress, isAborted || departure.hasLeft);
  }
}

async function send(deps: HandlerDeps, incoming: Incoming, progress: Progress, reply: Reply): Promise<void> {
  const { request, response, departure } = incoming;
  progress.status = reply.status;
  const digest = reply.headers?.["docker-content-digest"];
  if (typeof digest === "string") progress.digest = digest;
  const transfer = new ReplyTransfer(departure, progress);
  const exchange: Exchange = {
    request,
    response,
    headers: fixedHeaders(progress),
    withholdsBody: incoming.expectsContinue && !progress.hasBegunBody,
  };
  await sendReply(deps.sender, exchange, reply, transfer);
}

class ReplyTransfer implements Transfer {
  readonly #departure: Departure;
  readonly #progress: Progress;

  constructor(departure: Departure, progress: Progress) {
    this.#departure = departure;
    this.#progress = progress;
  }

  get signal(): AbortSignal {
    return this.#departure.signal;
  }

  sent(bytes: number): void {
    this.#progress.bytesOut += bytes;
  }
}

/** The reply could not be made. If none of it is sent, the client is told; else it must see that it does not have the whole. */
async function breakOff(
  deps: HandlerDeps,
  incoming: Incoming,
  progress: Progress,
  error: unknown,
): Promise<void> {
  const { response } = incoming;
  if (response.headersSent) {
    deps.log.error({ error, requestId: progress.requestId }, "a reply broke off");
    response.destroy();
    return;
  }
  try {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    await send(deps, incoming, progress, await refuseRequest(deps, incoming.request, progress, error));
  } catch {
    response.destroy();
  }
}

/** A new object each time: it becomes the headers of the reply. */
function fixedHeaders(progress: Progress): Record<string, string> {
  const headers: Record<string, string> = {
    "x-request-id": progress.requestId,
    "x-content-type-options": "nosniff",
  };
  if (isBelow(progress.pathname, "/v2")) headers["docker-distribution-api-version"] = "registry/2.0";
  Object.assign(headers, securityHeaders(progress.pathname));
  if (progress.rate !== undefined) Object.assign(headers, rateHeaders(progress.rate));
  if (progress.isTls) headers["strict-transport-security"] = "max-age=31536000";
  return headers;
}

/** The reply, of the handler or of an error. */
async function answer(deps: HandlerDeps, incoming: Incoming, progress: Progress): Promise<Reply> {
  const { request } = incoming;
  try {
    if (incoming.refusal !== undefined) throw incoming.refusal;
    if ((request.url ?? "").length > maxUrlLength) {
      throw new AppError("URI_TOO_LONG", `the address is longer than ${maxUrlLength} characters`);
    }
    progress.origin = requestOrigin({ ...progress, headers: request.headers, socket: request.socket }, deps);
    const endpoint = find(deps, request.method ?? "GET", progress);
    const target = { params: progress.params, query: progress.query };
    let { params } = target;
    limitRate(progress, deps.rateLimiter.byAddress(progress.remoteAddress));
    if (endpoint.can.who !== "public") {
      checkName(endpoint, progress.params);
      // Each is nearly always there at once, and then nobody waits.
      const actor = authenticate(deps, request, progress);
      progress.actor = actor instanceof Promise ? await actor : actor;
      if (progress.presented === "bad-token") progress.presented = "narrow-token";
      limitRate(progress, deps.rateLimiter.byActor(progress.actor));
      const authorized = authorize(deps.access, progress.actor, endpoint, target);
      params = authorized instanceof Promise ? await authorized : authorized;
      const admitted = deps.admit?.(progress.actor, endpoint);
      if (admitted !== undefined) await admitted;
      const { signInRules, clock } = deps;
      if (signInRules !== undefined && isBelow(progress.pathname, "/api/v1")) {
        await checkSignIn(signInRules, progress.actor, endpoint, params, clock.nowMs());
      }
    }
    if (incoming.expectsContinue) incoming.response.writeContinue();
    progress.hasBegunBody = true;
    if (endpoint.query !== undefined) checkQuery(endpoint.query, target.query);
    const check = deps.bodyChecks.get(endpoint);
    const { body, bodyBytes } = check === undefined ? noBody : await checkedBody(deps, incoming, check);
    const { headers } = request;
    const { origin, remoteAddress } = progress;
    return await endpoint.handle(
      createCall(deps.log, progress, {
        departure: incoming.departure,
        userAgent: incoming.request.headers["user-agent"],
      }),
      {
        params,
        addressedAs: params === target.params ? undefined : target.params["name"],
        query: target.query,
        headers,
        body,
        bodyBytes,
        raw: request,
        origin,
        remoteAddress,
      },
    );
  } catch (error) {
    if (incoming.departure.hasLeft) throw new ClientGone(error);
    return await refuseRequest(deps, incoming.request, progress, error);
  }
}

function limitRate(progress: Progress, states: readonly RateState[] | undefined): void {
  // Those who watch the server must be answered when it is busiest.
  if (states === undefined || progress.pathname.startsWith("/health/") || progress.pathname === "/metrics")
    return;
  progress.rate = nearestLimit(states, progress.rate);
  const refusal = rateRefusal(progress.rate);
  if (refusal !== undefined) throw refusal;
}

/** Before anything else, as the name goes into the challenge. */
function checkName(endpoint: Endpoint, params: Progress["params"]): void {
  if (endpoint.can.who === "repository") parseRepositoryName(params["name"] ?? "");
}

function find(deps: HandlerDeps, method: string, progress: Progress): Endpoint {
  const match = deps.match(method, progress.pathname);
  if (match.kind === "found") {
    progress.endpoint = match.endpoint;
    progress.params = match.params;
    return match.endpoint;
  }
  if (match.kind === "unknown") throw new AppError("NOT_FOUND", "there is nothing at this address");
  const { allowed } = match;
  progress.allowed = allowed;
  throw new AppError("UNSUPPORTED", `${method} is not possible here; ${allowed.join(", ")} is`, {
    detail: { allowed },
  });
}

function authenticate(deps: HandlerDeps, request: IncomingMessage, progress: Progress): MaybePromise<Actor> {
  const header = request.headers.authorization;
  const isToken = header !== undefined && /^bearer /i.test(header);
  if (header !== undefined) progress.presented = isToken ? "bad-token" : "password";
  const { method = "GET", headers } = request;
  // The protocols of OCI know no cookies: there, one could only be somebody else's page at work.
  const site = isBelow(progress.pathname, "/api/v1") ? { method, origin: progress.origin } : undefined;
  const { params, query, endpoint } = progress;
  const goesOn = isToken ? endpoint?.goesOn : undefined;
  const takesEndedToken = goesOn && (async () => goesOn(params, bearerMark(headers) ?? ""));
  const target = { params, query, takesEndedToken };
  return deps.authenticate(headers, progress.remoteAddress, site, target);
}

async function checkedBody(
  deps: HandlerDeps,
  incoming: Incoming,
  check: BodyCheck,
): Promise<Pick<Request, "body" | "bodyBytes">> {
  const { request, departure } = incoming;
  const late = new AbortController();
  const { requestTimeoutMs } = deps.limits;
  const timer = setTimeout(() => {
    late.abort(new AppError("REQUEST_INVALID", `the body did not arrive within ${requestTimeoutMs} ms`));
  }, requestTimeoutMs);
  try {
    const bytes = await readBody(request, maxBodyBytes, AbortSignal.any([departure.signal, late.signal]));
    return { body: await check(bytes, request.headers["content-type"]), bodyBytes: bytes };
  } finally {
    clearTimeout(timer);
  }
}

const noBody: Pick<Request, "body" | "bodyBytes"> = { body: undefined, bodyBytes: new Uint8Array() };
