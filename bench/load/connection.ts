import { once } from "node:events";
import { connect, type Socket } from "node:net";

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly bodyBytes: number;
}

/**
 * One keep-alive connection that asks one thing at a time. Written on bare sockets, with one buffer for everything that is read, so that the
 * server is the bottleneck and not the client.
 */
export interface Connection {
  ask(head: string, body?: readonly Uint8Array[]): Promise<Answer>;
  close(): void;
}

const readBytes = 1_048_576;

export async function openConnection(port: number): Promise<Connection> {
  let pending:
    | { resolve: (answer: Answer) => void; reject: (error: Error) => void; isHead: boolean }
    | undefined;
  let head = "";
  let status = 0;
  let bodyLeft = -1;
  let bodyBytes = 0;
  /** The last bytes of a body in chunks; undefined when it has its length. */
  let tail: string | undefined;

  function finish(): void {
    const done = pending;
    const answer = { status, headers: head, bodyBytes };
    pending = undefined;
    head = "";
    bodyLeft = -1;
    bodyBytes = 0;
    tail = undefined;
    done?.resolve(answer);
  }

  function onBytes(length: number, buffer: Uint8Array): boolean {
    let start = 0;
    if (bodyLeft < 0) {
      const text = Buffer.from(buffer.buffer, buffer.byteOffset, length).toString("latin1");
      const before = head.length;
      const end = (head + text).indexOf("\r\n\r\n");
      if (end < 0) {
        head += text;
        return true;
      }
      head = (head + text).slice(0, end);
      start = end + 4 - before;
      status = Number(head.slice(9, 12));
      if (status === 100) throw new Error("100 Continue was not asked for");
      const size = /\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1];
      const isEmpty = pending?.isHead === true || status === 204 || status === 304;
      if (size === undefined && !isEmpty) {
        if (!/\r\ntransfer-encoding: *chunked/i.test(head))
          throw new Error(`an answer without its length:\n${head}`);
        tail = "";
      }
      bodyLeft = isEmpty ? 0 : Number(size ?? 0);
      bodyBytes = bodyLeft;
    }
    if (tail !== undefined) {
      bodyBytes += length - start;
      const end = Buffer.from(
        buffer.buffer,
        buffer.byteOffset + Math.max(start, length - 7),
        Math.min(7, length - start),
      );
      tail = (tail + end.toString("latin1")).slice(-7);
      // RFC 9112, 7.1: the last chunk is empty. None of the servers sends trailers, and no text of theirs looks like it.
      if (tail === "\r\n0\r\n\r\n") finish();
      return true;
    }
    bodyLeft -= length - start;
    if (bodyLeft === 0) finish();
    else if (bodyLeft < 0) throw new Error("more bytes than Content-Length said");
    return true;
  }

  const socket: Socket = connect({
    port,
    host: "127.0.0.1",
    onread: { buffer: Buffer.allocUnsafeSlow(readBytes), callback: onBytes },
  });
  socket.setNoDelay(true);
  const fail = (error: Error) => pending?.reject(error);
  socket.on("error", fail).on("close", () => fail(new Error("the server closed the connection")));
  await once(socket, "connect");

  return {
    ask(request, body = []) {
      return new Promise((resolve, reject) => {
        pending = { resolve, reject, isHead: request.startsWith("HEAD") };
        socket.write(request, "latin1");
        writeBody(socket, body).catch(reject);
      });
    },
    close: () => void socket.destroy(),
  };
}

const writeChunkBytes = 1_048_576;

async function writeBody(socket: Socket, body: readonly Uint8Array[]): Promise<void> {
  for (const part of body) {
    for (let start = 0; start < part.byteLength; start += writeChunkBytes) {
      if (!socket.write(part.subarray(start, start + writeChunkBytes))) await once(socket, "drain");
    }
  }
}

/** A request's head; `length` when it has a body. */
export function headOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  length?: number,
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const size = length === undefined ? "" : `content-length: ${length}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join("")}${size}\r\n`;
}
