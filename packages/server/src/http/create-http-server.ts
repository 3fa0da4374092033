import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createBodyCheck } from "./check-body.ts";
import { type HandlerDeps, handleRequest } from "./handle-request.ts";
import type { HttpDeps, TlsFiles } from "./http-deps.ts";
import { declareHttpMetrics } from "./http-metrics.ts";
import { createMatcher } from "./match-path.ts";
import { createPooledBlobSender } from "./pooled-blob-sender.ts";
import { createSendfileBlobSender, loadSendfile } from "./sendfile-blob-sender.ts";

export interface HttpServer {
  /** Begins to listen and tells the port. `::` takes every interface; where there is no IPv6, IPv4 alone. */
  listen(port: number, host: string): Promise<number>;
  /**
   * Takes no more connections, lets requests under way finish, closes the rest after `deadlineMs`. Resolves when the last connection is gone.
   */
  drain(deadlineMs: number): Promise<void>;
  readonly isDraining: () => boolean;
  /** New connections use the new certificate. Throws, and keeps the old one, when the files do not fit together. */
  replaceTls(files: TlsFiles): void;
}

// Longer than what load balancers keep (60 s): else they send a request on a connection that is just being closed.
const keepAliveMs = 75_000;

export async function createHttpServer(deps: HttpDeps): Promise<HttpServer> {
  const sockets = new Set<Socket>();
  const sendfile =
    deps.sendfile === "auto" && deps.tls === undefined ? await loadSendfile(deps.log) : undefined;
  const pooled = createPooledBlobSender();
  const bodyChecks = new Map(
    deps.endpoints.flatMap((endpoint) => {
      const check = createBodyCheck(endpoint);
      return check === undefined ? [] : [[endpoint, check] as const];
    }),
  );
  const handler: HandlerDeps = {
    ...deps,
    match: createMatcher(deps.endpoints),
    bodyChecks,
    sender: sendfile === undefined ? pooled : createSendfileBlobSender(sendfile, pooled),
    httpMetrics: declareHttpMetrics(deps.metrics, () => sockets.size),
  };
  let inFlight = 0;
  let draining = false;

  function accept(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const isHealth = request.url?.startsWith("/health/") === true;
    if (inFlight >= deps.limits.maxRequestsInFlight && !isHealth) {
      handler.httpMetrics.refused();
      refuseBusy(response);
      return;
    }
    inFlight += 1;
    if (draining) response.setHeader("connection", "close");
    void handleRequest(handler, request, response, { expectsContinue }).finally(() => {
      inFlight -= 1;
    });
  }

  const server = createServer(deps);
  server.on("request", (request: IncomingMessage, response: ServerResponse) =>
    accept(request, response, false),
  );
  // Only after the permission was checked is the client told to send its body.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
    accept(request, response, true),
  );
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("clientError", (_error: Error, socket: Socket) => {
    if (socket.writable)
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    else socket.destroy();
  });

  return {
    async listen(port, host) {
      try {
        return await listenOn(server, port, host);
      } catch (error) {
        const noIpv6 =
          host === "::" && error instanceof Error && "code" in error && error.code === "EAFNOSUPPORT";
        if (noIpv6) return listenOn(server, port, "0.0.0.0");
        throw error;
      }
    },
    drain(deadlineMs) {
      draining = true;
      return new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
        // Connections that finish their request after this moment are idle then.
        const sweep = setInterval(() => server.closeIdleConnections(), 100);
        server.once("close", () => clearInterval(sweep));
      });
    },
    isDraining: () => draining,
    replaceTls(files) {
      if ("setSecureContext" in server) server.setSecureContext({ cert: files.certificate, key: files.key });
    },
  };
}

function createServer(deps: HttpDeps): Server | TlsServer {
  const { limits, tls } = deps;
  const options = {
    headersTimeout: limits.requestTimeoutMs,
    // A blob may take hours; the idle limit below sees to those that stall.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: 5_000,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createPlainServer(options)
      : createTlsServer({ ...options, cert: tls.certificate, key: tls.key, minVersion: "TLSv1.2" });
  server.maxConnections = limits.maxConnections;
  server.setTimeout(limits.idleTimeoutMs);
  return server;
}

function listenOn(server: Server | TlsServer, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog: 1_024 }, () => {
      server.off("error", reject);
      // as: a server that listens on a port has an address of this kind
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function refuseBusy(response: ServerResponse): void {
  const errors = [
    { code: "TOOMANYREQUESTS", message: "the registry works on as many requests as it can; try again" },
  ];
  response.writeHead(429, { "retry-after": "1", "content-type": "application/json" });
  response.end(JSON.stringify({ errors }));
}
