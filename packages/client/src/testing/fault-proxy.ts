import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http";

/** What happens to a request on its way. */
export type Fault =
  /** The client's connection is cut after so many bytes of the answer's body. */
  | { readonly kind: "cut-answer"; readonly afterBytes: number }
  /** Both connections are cut after so many bytes of the request's body. */
  | { readonly kind: "cut-request"; readonly afterBytes: number }
  /** The request is carried out, its answer lost. */
  | { readonly kind: "lose-answer" }
  /** Answered here, never passed on. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: string;
    };

/** An HTTP proxy before one server that breaks what it is told to break. */
export interface FaultProxy {
  readonly origin: string;
  readonly host: string;
  /** `METHOD /path` of every request, in order; a range is added as ` [bytes=…]`. */
  readonly requests: readonly string[];
  /** All headers of each request, parallel to `requests`. */
  readonly headers: readonly IncomingMessage["headers"][];
  /** Asked for each request; `count` = how often this method and path came before. */
  setFault(choose: (method: string, path: string, count: number) => Fault | undefined): void;
  stop(): Promise<void>;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const counts = new Map<string, number>();
  let choose: (method: string, path: string, count: number) => Fault | undefined = () => undefined;

  const server = createServer((incoming, reply) => {
    const { method = "", url: path = "" } = incoming;
    const key = `${method} ${path.split("?", 1)[0]}`;
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    const { range } = incoming.headers;
    requests.push(`${method} ${path}${range === undefined ? "" : ` [${range}]`}`);
    headers.push(incoming.headers);
    pass(target, incoming, reply, choose(method, path, count));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    host: `127.0.0.1:${address.port}`,
    requests,
    headers,
    setFault: (next) => {
      counts.clear();
      choose = next;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function pass(
  target: string,
  incoming: IncomingMessage,
  reply: ServerResponse,
  fault: Fault | undefined,
): void {
  if (fault?.kind === "answer") {
    incoming.resume();
    reply.writeHead(fault.status, fault.headers).end(fault.body ?? "");
    return;
  }
  const { method, url } = incoming;
  // The Host stays the proxy's, so addresses that the registry gives out lead back here.
  const outgoing = sendRequest(`${target}${url}`, {
    method,
    headers: incoming.headers,
    setHost: false,
    agent: false,
  });
  outgoing.on("error", () => reply.destroy());
  let sentBytes = 0;
  incoming.on("data", (chunk: Buffer) => {
    sentBytes += chunk.byteLength;
    if (fault?.kind === "cut-request" && sentBytes > fault.afterBytes) {
      const keep = chunk.subarray(0, chunk.byteLength - (sentBytes - fault.afterBytes));
      incoming.removeAllListeners("data").pause();
      outgoing.write(keep, () => {
        outgoing.destroy();
        incoming.socket.destroy();
      });
      return;
    }
    outgoing.write(chunk);
  });
  incoming.on("end", () => outgoing.end());
  outgoing.on("response", (response) => {
    if (fault?.kind === "lose-answer") {
      response.resume().on("end", () => incoming.socket.destroy());
      return;
    }
    reply.writeHead(response.statusCode ?? 502, response.rawHeaders);
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (fault?.kind === "cut-answer" && bytes > fault.afterBytes) {
        const keep = chunk.subarray(0, chunk.byteLength - (bytes - fault.afterBytes));
        response.removeAllListeners("data").destroy();
        reply.write(keep, () => incoming.socket.destroy());
        return;
      }
      reply.write(chunk);
    });
    response.on("end", () => reply.end());
    response.on("error", () => reply.destroy());
  });
}
