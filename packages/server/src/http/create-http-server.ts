import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { AppError } from "../lib/app-error.ts";
import { createBodyCheck } from "./check-body.ts";
import { type Connections, trackConnections } from "./connections.ts";
import { type HandlerDeps, handleRequest } from "./handle-request.ts";
import type { HttpDeps, TlsFiles } from "./http-deps.ts";
import { declareHttpMetrics } from "./http-metrics.ts";
import { createRateLimiter, type RateLimits } from "./limit-rate.ts";
import { listenOn } from "./listen-on.ts";
import { createMatcher } from "./match-path.ts";
import { createPooledBlobSender } from "./pooled-blob-sender.ts";
import { loadKernelCalls } from "./sendfile/kernel-calls.ts";
import { createSendfileBlobSender } from "./sendfile/sendfile-blob-sender.ts";
import { createTransferThread } from "./sendfile/transfer-thread.ts";

export interface HttpServer {
  /** As `listenOn`. */
  listen(port: number, host: string): Promise<number>;
  /**
   * Takes no more connections, closes those without a request at once, lets requests under way finish, cuts the rest after `deadlineMs`.
   * Resolves when the last connection is gone.
   */
  drain(deadlineMs: number): Promise<void>;
  readonly isDraining: () => boolean;
  /** New connections use the new certificate. Throws, and keeps the old one, when the files do not fit together. */
  replaceTls(files: TlsFiles): void;
}

// Longer than what load balancers keep (60 s): else they send a request on a connection that is just being closed.
const keepAliveMs = 75_000;
const nonsenseMs = 2_000;

/** Connections over the limit are still told so, up to this many; those beyond are closed without a word. */
const politeConnections = 64;

const unlimited: RateLimits = { perAddress: 0, perAccount: 0, perCredential: 0 };

/**
 * Builds the server around the list of endpoints; it takes nothing until `listen`. Throws when the TLS files do not fit together. Whether blobs
 * go by sendfile is found out here, once.
 */
export async function createHttpServer(deps: HttpDeps): Promise<HttpServer> {
  const server = createServer(deps);
  const connections = trackConnections(server, { ...deps.limits, isTls: deps.tls !== undefined });
  const handler = await createHandlerDeps(deps, connections);
  let inFlight = 0;
  let draining = false;

  function accept(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const refusal = isExempt(request)
      ? undefined
      : refusalOf(deps, connections.isOver(request.socket), inFlight);
    if (refusal !== undefined) handler.httpMetrics.refused();
    if (draining || refusal?.code === "UNAVAILABLE") response.setHeader("connection", "close");
    const departure = connections.begin(request, response);
    inFlight += 1;
    void handleRequest(handler, { request, response, expectsContinue, departure, refusal }).finally(() => {
      inFlight -= 1;
    });
  }

  server.on("request", (request: IncomingMessage, response: ServerResponse) =>
    accept(request, response, false),
  );
  // Only after the permission was checked is the client told to send its body.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
    accept(request, response, true),
  );
  server.on("clientError", (error: Error, socket: Socket) => {
    // Into the middle of another reply nothing may be written.
    if (!socket.writable || connections.isBusy(socket)) socket.destroy();
    else refuseNonsense(error, socket);
  });

  return {
    listen: (port, host) => listenOn(server, port, host),
    drain(deadlineMs) {
      draining = true;
      return new Promise((resolve) => {
        const timer = setTimeout(() => connections.cutAll(), deadlineMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        connections.closeWhenIdle();
      });
    },
    isDraining: () => draining,
    replaceTls(files) {
      if ("setSecureContext" in server) server.setSecureContext({ cert: files.certificate, key: files.key });
    },
  };
}

async function createHandlerDeps(deps: HttpDeps, connections: Connections): Promise<HandlerDeps> {
  const { log } = deps;
  const kernel = deps.sendfile === "auto" && deps.tls === undefined ? await loadKernelCalls(log) : undefined;
  const pooled = createPooledBlobSender();
  const bodyChecks = new Map(
    deps.endpoints.flatMap((endpoint) => {
      const check = createBodyCheck(endpoint);
      return check === undefined ? [] : [[endpoint, check] as const];
    }),
  );
  return {
    ...deps,
    match: createMatcher(deps.endpoints),
    rateLimiter: createRateLimiter(deps.rateLimits ?? unlimited, deps.clock),
    bodyChecks,
    sender:
      kernel === undefined
        ? pooled
        : createSendfileBlobSender(kernel.sendfile, createTransferThread(kernel, log), pooled),
    httpMetrics: declareHttpMetrics(deps.metrics, () => connections.count()),
  };
}

/** Those who watch the server must be answered when it is busiest. */
function isExempt(request: IncomingMessage): boolean {
  const { url = "" } = request;
  return url.startsWith("/health/") || url === "/metrics" || url.startsWith("/metrics?");
}

function refusalOf(deps: HttpDeps, isOver: boolean, inFlight: number): AppError | undefined {
  if (isOver) {
    return new AppError("UNAVAILABLE", "the registry has as many connections as it can; try again", {
      retryAfterSeconds: 2,
    });
  }
  if (inFlight < deps.limits.maxRequestsInFlight) return undefined;
  return new AppError("OVERLOADED", "the registry works on as many requests as it can; try again", {
    retryAfterSeconds: 1,
  });
}

function createServer(deps: HttpDeps): Server | TlsServer {
  const { limits, tls } = deps;
  const options = {
    headersTimeout: limits.requestTimeoutMs,
    // A blob may take hours; the idle limit sees to those that stall.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: Math.min(5_000, limits.requestTimeoutMs),
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createPlainServer(options)
      : createTlsServer({
          ...options,
          cert: tls.certificate,
          key: tls.key,
          minVersion: "TLSv1.2",
          handshakeTimeout: limits.requestTimeoutMs,
        });
  server.maxConnections = limits.maxConnections + politeConnections;
  server.setTimeout(limits.idleTimeoutMs);
  return server;
}

/** What is no request has no reply of ours, only a status. */
function refuseNonsense(error: Error, socket: Socket): void {
  const code = "code" in error ? error.code : undefined;
  const status =
    code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  // The other half of the connection is the client's to close, but not for long.
  socket.setTimeout(nonsenseMs);
  socket.resume();
}
