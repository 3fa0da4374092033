import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { BlobPart, BlobSender, Transfer } from "./blob-sender.ts";
import type { BlobBody } from "./endpoint.ts";
import { sendInOnePiece } from "./send-in-one-piece.ts";

/** Headers and framing of a blob reply; the status is the handler's. Returns what to send after the headers. */
interface Framing {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly pieces: readonly (BlobPart | Uint8Array)[];
}

/** Up to this a part is sent with one read and one write. */
const smallBytes = 65_536;

/**
 * Sends a blob body with its framing; ending the reply and closing the reader are the caller's business. Throws when it could not be sent whole. A
 * reply to HEAD has the headers alone, whatever the handler gave.
 */
export async function sendBlob(
  sender: BlobSender,
  response: ServerResponse,
  status: number,
  headers: Record<string, string | number | readonly string[]>,
  body: BlobBody,
  transfer: Transfer,
): Promise<void> {
  const framing = frame(body);
  const all = { ...headers, ...framing.headers };
  const [only] = framing.pieces;
  if (response.req.method === "HEAD") {
    response.writeHead(status, toOutgoing(all));
    return;
  }
  if (framing.pieces.length === 1 && isPart(only) && only.lengthBytes <= smallBytes) {
    const bytes = Buffer.allocUnsafe(only.lengthBytes);
    const got = await body.reader.read(bytes, only.start);
    // Before the headers are sent: the client is told.
    if (got !== only.lengthBytes) throw new Error("storage ends before the blob does");
    response.writeHead(status, toOutgoing(all));
    if (bytes.byteLength > 0) sendInOnePiece(response, bytes);
    transfer.sent(bytes.byteLength);
    return;
  }
  response.writeHead(status, toOutgoing(all));
  for (const piece of framing.pieces) {
    if (!isPart(piece)) {
      response.write(piece);
      transfer.sent(piece.byteLength);
    } else if (piece.lengthBytes > 0) await sender.send(response, body.reader, piece, transfer);
  }
}

function isPart(piece: BlobPart | Uint8Array | undefined): piece is BlobPart {
  return piece !== undefined && "start" in piece;
}

function frame(body: BlobBody): Framing {
  const { ranges, contentType, reader } = body;
  const size = reader.sizeBytes;
  if (ranges === undefined) {
    return {
      headers: { "content-type": contentType, "content-length": size },
      pieces: [{ start: 0, lengthBytes: size }],
    };
  }
  const [single] = ranges;
  if (ranges.length === 1 && single !== undefined) {
    const lengthBytes = single.end - single.start + 1;
    return {
      headers: {
        "content-type": contentType,
        "content-length": lengthBytes,
        "content-range": `bytes ${single.start}-${single.end}/${size}`,
      },
      pieces: [{ start: single.start, lengthBytes }],
    };
  }
  return frameMultipart(ranges, contentType, size);
}

/** RFC 9110, 14.6: several ranges of one request come as one multipart body. Podman's partial pulls ask so. */
function frameMultipart(
  ranges: readonly { readonly start: number; readonly end: number }[],
  contentType: string,
  size: number,
): Framing {
  const boundary = randomBytes(18).toString("hex");
  const pieces: (BlobPart | Uint8Array)[] = [];
  for (const { start, end } of ranges) {
    const lead = `${pieces.length === 0 ? "" : "\r\n"}--${boundary}\r\n`;
    const head = `${lead}Content-Type: ${contentType}\r\nContent-Range: bytes ${start}-${end}/${size}\r\n\r\n`;
    pieces.push(Buffer.from(head), { start, lengthBytes: end - start + 1 });
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  const total = pieces.reduce(
    (sum, piece) => sum + (isPart(piece) ? piece.lengthBytes : piece.byteLength),
    0,
  );
  return {
    headers: { "content-type": `multipart/byteranges; boundary=${boundary}`, "content-length": total },
    pieces,
  };
}

type Outgoing = Record<string, string | number | string[]>;

/** Node takes lists of header values only as mutable arrays; most replies have none. */
export function toOutgoing(headers: Record<string, string | number | readonly string[]>): Outgoing {
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "object") headers[name] = [...value];
  }
  // as: every list in it was copied
  return headers as Outgoing;
}
