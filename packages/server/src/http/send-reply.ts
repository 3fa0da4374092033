import type { IncomingMessage, ServerResponse } from "node:http";
import { type BlobSender, type Transfer, writeChunk } from "./blob-sender.ts";
import type { BlobBody, Reply, StreamBody } from "./endpoint.ts";
import { readRest } from "./read-rest.ts";
import { sendBlob, toOutgoing } from "./send-blob.ts";
import { sendInOnePiece } from "./send-in-one-piece.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** On every reply: the request's id, nosniff and what else does not depend on the handler. Those of the handler are put into it. */
  readonly headers: Record<string, string>;
  /** The client waits with its body for a "100 Continue" that it did not get: it will not send it. */
  readonly withholdsBody: boolean;
}

/**
 * Sends a reply and resolves when it is on its way and the request's body has been dealt with; the reader of a blob is closed in every case. Throws
 * when the reply could not be sent; as long as no headers are sent another one may be.
 */
export async function sendReply(
  sender: BlobSender,
  exchange: Exchange,
  reply: Reply,
  transfer: Transfer,
): Promise<void> {
  const { request, response } = exchange;
  const headers: Record<string, string | number | readonly string[]> = exchange.headers;
  Object.assign(headers, reply.headers);
  const { body } = reply;
  if (body?.kind === "blob") {
    try {
      await sendBlob(sender, response, reply.status, headers, body, transfer);
    } finally {
      await body.reader.close();
    }
  } else if (body?.kind === "stream") await sendStream(exchange, reply.status, headers, body, transfer);
  else sendBytes(exchange, reply.status, headers, body, transfer);
  // A body that was refused unread. The client has the whole reply by now, but only a connection that stays open lets it read that.
  if (!request.complete && !exchange.withholdsBody) {
    response.flushHeaders();
    if (!(await readRest(request, transfer.signal))) {
      request.socket.destroy();
      return;
    }
  }
  if (!response.writableEnded) response.end();
}

type WholeBody = Exclude<NonNullable<Reply["body"]>, BlobBody | StreamBody>;

/** Chunk by chunk, each when the client has taken the one before. The headers go with the first, so that what fails before it is told properly. */
async function sendStream(
  { request, response }: Exchange,
  status: number,
  headers: Record<string, string | number | readonly string[]>,
  body: StreamBody,
  transfer: Transfer,
): Promise<void> {
  if (request.method !== "HEAD") {
    for await (const chunk of body.chunks) {
      if (!response.headersSent) response.writeHead(status, toOutgoing(headers));
      await writeChunk(response, chunk, transfer.signal);
      transfer.sent(chunk.byteLength);
    }
  }
  if (!response.headersSent) response.writeHead(status, toOutgoing(headers));
}

function sendBytes(
  { request, response }: Exchange,
  status: number,
  headers: Record<string, string | number | readonly string[]>,
  body: WholeBody | undefined,
  transfer: Transfer,
): void {
  const bytes = bytesOf(body, headers);
  const isHead = request.method === "HEAD";
  // RFC 9110, 8.6: no Content-Length with 1xx and 204; with 304 and HEAD only the one that GET would have.
  const hasNoLength = status === 204 || status === 304 || (isHead && bytes === undefined);
  if (!hasNoLength) headers["content-length"] ??= bytes?.byteLength ?? 0;
  response.writeHead(status, toOutgoing(headers));
  // RFC 9110, 9.3.2: HEAD is answered with the headers of GET and no body.
  if (bytes === undefined || bytes.byteLength === 0 || isHead || hasNoLength) return;
  sendInOnePiece(response, bytes);
  transfer.sent(bytes.byteLength);
}

function bytesOf(
  body: WholeBody | undefined,
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
