import { once } from "node:events";
import { createServer, request as forward, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";

/** One request and its answer, as they passed by. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly userAgent: string;
  readonly range: string;
  readonly status: number;
  readonly contentType: string;
}

/** A proxy on loopback. */
export interface LoggingProxy {
  readonly port: number;
  readonly exchanges: readonly Exchange[];
  close(): Promise<void>;
}

/** Passes everything on to a registry, unchanged, and writes down what was asked and answered; speaks TLS when given a certificate. */
export async function startLoggingProxy(
  targetPort: number,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<LoggingProxy> {
  const exchanges: Exchange[] = [];
  const listener: RequestListener = (request, response) => {
    const { method = "", url = "", headers } = request;
    const scheme = tls === undefined ? {} : { "x-forwarded-proto": "https" };
    const outgoing = forward(
      // A connection of its own for each request: none can be found closed when it is used again.
      {
        port: targetPort,
        host: "127.0.0.1",
        method,
        path: url,
        headers: { ...headers, ...scheme },
        agent: false,
      },
      (answer) => {
        exchanges.push({
          method,
          url,
          userAgent: headers["user-agent"] ?? "",
          range: headers.range ?? "",
          status: answer.statusCode ?? 0,
          contentType: answer.headers["content-type"] ?? "",
        });
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
        answer.once("error", () => response.destroy());
      },
    );
    outgoing.once("error", () => response.destroy());
    // A client that goes away must be gone for the registry, too.
    response.once("close", () => outgoing.destroy());
    request.pipe(outgoing);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  // Clients use connections again after pauses of any length, and not every request that meets one that is just being closed is sent again.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    exchanges,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
