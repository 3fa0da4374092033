import type { IncomingMessage, ServerResponse } from "node:http";
import type { BlobSender } from "./blob-sender.ts";
import type { Reply } from "./endpoint.ts";
import { sendBlob, toOutgoing } from "./send-blob.ts";

/** A body that was refused unread is still read so far, so that the client sees the reply instead of a broken connection. */
const lingerBytes = 16_777_216;
const lingerMs = 5_000;

/** Sends a reply and resolves when it is on its way; the reader of a blob is closed in every case. */
export async function sendReply(
  sender: BlobSender,
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  context: { readonly requestId: string; readonly pathname: string },
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string | number | readonly string[]> = {
    "x-request-id": context.requestId,
    "x-content-type-options": "nosniff",
    ...(context.pathname.startsWith("/v2") ? { "docker-distribution-api-version": "registry/2.0" } : {}),
    ...reply.headers,
  };
  if (!request.complete) linger(request, response);
  const { body } = reply;
  if (body?.kind === "blob") {
    try {
      await sendBlob(sender, response, reply.status, headers, body, signal);
    } finally {
      await body.reader.close();
    }
    return;
  }
  const bytes = bytesOf(body, headers);
  if (bytes === undefined) {
    response.writeHead(reply.status, toOutgoing(headers)).end();
    return;
  }
  headers["content-length"] ??= bytes.byteLength;
  response.writeHead(reply.status, toOutgoing(headers));
  // RFC 9110, 9.3.2: HEAD is answered with the headers of GET and no body.
  if (request.method === "HEAD") response.end();
  else response.end(bytes);
}

function bytesOf(
  body: Exclude<Reply["body"], { readonly kind: "blob" }>,
  headers: Record<string, string | number | readonly string[]>,
): Uint8Array | undefined {
  if (body === undefined) return undefined;
  if (body.kind === "bytes") return body.bytes;
  if (body.kind === "text") {
    headers["content-type"] ??= "text/plain; charset=utf-8";
    return Buffer.from(body.text);
  }
  headers["content-type"] ??= "application/json";
  return Buffer.from(JSON.stringify(body.value));
}

/**
 * Node goes on reading a body that nobody wanted, without limit. Here it is bounded: after so many bytes or seconds the connection is cut.
 * Cutting it at once would make the kernel reset the connection, and docker would report that instead of the reply.
 */
function linger(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => {
    if (request.complete || request.destroyed) return;
    const { socket } = request;
    const limit = socket.bytesRead + lingerBytes;
    const cut = () => socket.destroy();
    const timer = setTimeout(cut, lingerMs);
    timer.unref();
    const check = () => {
      if (socket.bytesRead > limit) cut();
    };
    request.on("data", check);
    const stop = () => {
      clearTimeout(timer);
      request.off("data", check);
    };
    request.once("end", stop).once("close", stop);
    request.resume();
  });
}
