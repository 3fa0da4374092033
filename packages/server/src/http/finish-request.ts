import type { IncomingMessage } from "node:http";
import { actorName } from "../access/actor.ts";
import type { Answered } from "./answered.ts";
import type { HttpDeps } from "./http-deps.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { presentedName } from "./presented-name.ts";
import type { Progress } from "./progress.ts";

/** Counts a request and writes its log line: once, at the end, whatever became of it. */
export function finishRequest(
  deps: Pick<HttpDeps, "log" | "slowRequestMs" | "onAnswered" | "onServed"> & {
    readonly httpMetrics: HttpMetrics;
  },
  request: IncomingMessage,
  progress: Progress,
  isAborted: boolean,
): void {
  const durationMs = performance.now() - progress.startedAtMs;
  const method = request.method ?? "";
  const endpoint = progress.endpoint?.id ?? "none";
  const { status, bytesOut } = progress;
  const bytesIn = bytesReceived(request, progress);
  deps.httpMetrics.finished({ endpoint, method, status, durationMs, bytesIn, bytesOut });
  if (progress.endpoint !== undefined) {
    const { actor, params } = progress;
    const { path } = progress.endpoint;
    deps.onServed?.({
      endpointId: endpoint,
      path,
      actor,
      repository: params["name"],
      status,
      bytesIn,
      bytesOut,
    });
  }
  const fields = {
    requestId: progress.requestId,
    method,
    path: progress.pathname.slice(0, 512),
    endpoint,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    actor: actorName(progress.actor),
    remoteAddress: progress.remoteAddress,
    userAgent: request.headers["user-agent"]?.slice(0, 200),
    bytesIn,
    bytesOut,
    ...(progress.params["name"] === undefined ? {} : { repository: progress.params["name"].slice(0, 255) }),
    ...(progress.code === undefined ? {} : { code: progress.code }),
    ...(isAborted ? { aborted: true } : {}),
  };
  if (isSlow(deps.slowRequestMs, durationMs, bytesIn + bytesOut)) deps.log.warn(fields, "slow request");
  // Health checks every few seconds would drown the rest.
  if (progress.pathname.startsWith("/health/")) deps.log.debug(fields, "request");
  else deps.log.info(fields, "request");
  if (!isAborted && deps.onAnswered !== undefined) deps.onAnswered(answeredOf(request, progress));
}

/** What moves much takes as long as the client's line does. */
function isSlow(limitMs: number | undefined, durationMs: number, bytes: number): boolean {
  return limitMs !== undefined && limitMs > 0 && durationMs >= limitMs && bytes < 1_048_576;
}

function answeredOf(request: IncomingMessage, progress: Progress): Answered {
  const { actor, status, remoteAddress } = progress;
  const { headers } = request;
  return {
    requestId: progress.requestId,
    endpoint: progress.endpoint,
    params: progress.params,
    status,
    code: progress.code,
    actor,
    presentedName:
      actor.kind === "anonymous" && status >= 400 ? presentedName(headers.authorization) : undefined,
    client: { address: remoteAddress, userAgent: headers["user-agent"]?.slice(0, 200) },
    digest: progress.digest,
  };
}

/**
 * Bytes of the body that came. Exact for a body that has its length and arrived whole; else what the socket read since the headers, which has
 * the framing of chunks in it and lacks what came in one packet with the headers.
 */
function bytesReceived(request: IncomingMessage, progress: Progress): number {
  const { headers } = request;
  if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) return 0;
  const declared = Number(headers["content-length"] ?? Number.NaN);
  if (request.complete && Number.isSafeInteger(declared)) return declared;
  const read = Math.max(0, request.socket.bytesRead - progress.socketBytesBefore);
  return Number.isSafeInteger(declared) ? Math.min(read, declared) : read;
}
