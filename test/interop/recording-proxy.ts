import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly userAgent: string;
  readonly range: string;
  readonly status: number;
  readonly contentType: string;
}

/** Passes everything on to a registry and writes down what was asked and answered. */
export async function startRecordingProxy(target: string) {
  const exchanges: Exchange[] = [];
  const [hostname, port] = target.split(":");
  const server = createServer((request, response) => {
    const outgoing = forward(
      { hostname, port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        exchanges.push({
          method: request.method ?? "",
          url: request.url ?? "",
          userAgent: request.headers["user-agent"] ?? "",
          range: request.headers.range ?? "",
          status: answer.statusCode ?? 0,
          contentType: answer.headers["content-type"] ?? "",
        });
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    outgoing.on("error", () => response.destroy());
    request.pipe(outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // as: listening on a port
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges: exchanges as readonly Exchange[],
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
