import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

/** What happens to a request on its way. */
export type Fault =
  /** Answered by the proxy, as an overloaded or broken service would; the service never sees it. */
  | { readonly kind: "status"; readonly status: number; readonly code: string }
  /** The connection is cut before the service sees the request. */
  | { readonly kind: "reset" }
  /** The service does it, but the answer is lost. */
  | { readonly kind: "lost-answer" }
  /** The answer breaks off after so many bytes of its body. */
  | { readonly kind: "truncated"; readonly afterBytes: number }
  /** The answer's head comes, and then nothing any more. */
  | { readonly kind: "silent" };

export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

/** A proxy in front of a real service that spoils what a test wants spoiled, and counts what goes through. */
export interface FaultProxy {
  readonly origin: string;
  /** Every request so far. */
  readonly requests: readonly ProxiedRequest[];
  /** Decides about every request to come; undefined = let it through. */
  spoil(decide: ((request: ProxiedRequest) => Fault | undefined) | undefined): void;
  /** Bytes of bodies that went to the client. */
  sentBytes(): number;
  close(): Promise<void>;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const requests: ProxiedRequest[] = [];
  let decide: ((request: ProxiedRequest) => Fault | undefined) | undefined;
  let sentBytes = 0;

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers };
    requests.push(seen);
    const fault = decide?.(seen);
    if (fault?.kind === "reset") {
      incoming.socket.destroy();
      return;
    }
    if (fault?.kind === "status") {
      incoming.resume();
      await once(incoming, "end");
      const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>spoiled</Message></Error>`;
      response.writeHead(fault.status, { "content-type": "application/xml" }).end(body);
      return;
    }
    const onward = request(new URL(seen.url, target), { method: seen.method, headers: incoming.headers });
    pipeline(incoming, onward).catch(() => onward.destroy());
    const [answer]: IncomingMessage[] = await once(onward, "response");
    if (answer === undefined) return;
    await passOn(answer, response, fault);
  }

  async function passOn(answer: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
    if (fault?.kind === "lost-answer") {
      answer.resume();
      await once(answer, "end");
      response.socket?.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    if (fault?.kind === "silent") {
      response.flushHeaders();
      answer.destroy();
      return;
    }
    let left = fault?.kind === "truncated" ? fault.afterBytes : Number.POSITIVE_INFINITY;
    const gone = once(response, "close").then(() => answer.destroy());
    for await (const chunk of answer) {
      if (!(chunk instanceof Buffer)) continue;
      const piece = chunk.subarray(0, left);
      left -= piece.byteLength;
      sentBytes += piece.byteLength;
      if (!response.write(piece)) await Promise.race([once(response, "drain"), gone]);
      if (left === 0) {
        response.socket?.destroySoon();
        return;
      }
    }
    response.end();
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    spoil: (next) => {
      decide = next;
    },
    sentBytes: () => sentBytes,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
