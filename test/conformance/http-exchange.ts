import { Buffer } from "node:buffer";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { failure } from "./case-problem.ts";

export type HeaderLine = readonly [name: string, value: string];

/** One request, exactly as it goes over the wire: nothing is added to the header lines but `Host` and the framing. */
export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  /** Repeated names are sent as separate lines. */
  readonly headers?: readonly HeaderLine[];
  /** Absent: no body; POST, PUT and PATCH then carry `Content-Length: 0`. */
  readonly body?: Uint8Array;
  /** `chunked` sends the body in two pieces without `Content-Length`. Default: `length`. */
  readonly framing?: "length" | "chunked";
}

export interface HttpReply {
  readonly status: number;
  readonly headers: readonly HeaderLine[];
  readonly body: Uint8Array;
}

/** All values of a header, in the order received; the name is compared without regard to case. */
export function headerValues(reply: HttpReply, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  return reply.headers.filter(([key]) => key.toLowerCase() === wanted).map(([, value]) => value);
}

/** The first value of a header, or undefined. */
export function headerValue(reply: HttpReply, name: string): string | undefined {
  return headerValues(reply, name)[0];
}

/** Sends single requests over kept-alive connections. Safe to use concurrently; `close` ends idle connections. */
export interface HttpSender {
  /**
   * Resolves with the whole reply, whatever its status. Redirects are not followed.
   * Throws a failed case when the connection breaks or no complete reply arrives within the time limit.
   */
  readonly send: (request: HttpRequest) => Promise<HttpReply>;
  readonly close: () => void;
}

export interface HttpSenderOptions {
  readonly requestTimeoutMs: number;
  /** Accept any server certificate. */
  readonly isInsecure: boolean;
}

export function createHttpSender(options: HttpSenderOptions): HttpSender {
  const plain = new HttpAgent({ keepAlive: true });
  const secure = new HttpsAgent({ keepAlive: true, rejectUnauthorized: !options.isInsecure });

  const open = (message: HttpRequest): ClientRequest => {
    const settings = {
      method: message.method,
      headers: wireHeaders(message),
      signal: AbortSignal.timeout(options.requestTimeoutMs),
    };
    return message.url.protocol === "https:"
      ? httpsRequest(message.url, { ...settings, agent: secure })
      : httpRequest(message.url, { ...settings, agent: plain });
  };

  return {
    send: async (message) => {
      try {
        return await exchange(open, message);
      } catch (cause) {
        throw failure(`${message.method} ${message.url.href}: ${describeCause(cause)}`, { cause });
      }
    },
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  };
}

async function exchange(
  open: (message: HttpRequest) => ClientRequest,
  message: HttpRequest,
): Promise<HttpReply> {
  for (;;) {
    const request = open(message);
    try {
      return await readReply(request, message);
    } catch (cause) {
      // The server may close an idle connection just as we reuse it; that says nothing about the request.
      if (!(request.reusedSocket && isConnectionReset(cause))) throw cause;
    }
  }
}

function readReply(request: ClientRequest, message: HttpRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: pairs(response.rawHeaders),
          body: Buffer.concat(chunks),
        });
      });
    });
    const { body } = message;
    if (body !== undefined && message.framing === "chunked") {
      const middle = Math.ceil(body.length / 2);
      if (middle > 0) request.write(body.subarray(0, middle));
      request.end(body.subarray(middle));
    } else {
      request.end(body);
    }
  });
}

/** Node takes a flat list of names and values as it is, which is the only way to send a header twice. */
function wireHeaders(message: HttpRequest): string[] {
  const lines = [["Host", message.url.host], ...(message.headers ?? [])];
  if (message.body !== undefined && message.framing === "chunked") {
    lines.push(["Transfer-Encoding", "chunked"]);
  } else if (message.body !== undefined || ["POST", "PUT", "PATCH"].includes(message.method)) {
    lines.push(["Content-Length", String(message.body?.length ?? 0)]);
  }
  return lines.flat();
}

function pairs(rawHeaders: readonly string[]): readonly HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    lines.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  return lines;
}

function isConnectionReset(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE");
}

function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "AbortError" || cause.name === "TimeoutError")
    return "no complete reply within the time limit";
  return cause.message;
}
