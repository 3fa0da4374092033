import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import type { Log } from "../lib/log.ts";
import type { BlobSender } from "./blob-sender.ts";
import { writeChunk } from "./blob-sender.ts";

/** sendfile(2): bytes that were sent, or a negative errno. `offset` is moved on by the call. */
export type Sendfile = (
  socketFd: number,
  fileFd: number,
  offset: BigInt64Array,
  countBytes: number,
) => number;

/** Below this the headers and the bytes fit one write, which is cheaper. */
const minBytes = 262_144;
/** One turn of the event loop sends at most this much of one blob, so that others get theirs. */
const burstBytes = 4_194_304;
/** Written the ordinary way when the socket is full: its callback tells when it is writable again. */
const probeBytes = 65_536;

/** Loads sendfile(2) from the C library; undefined where that cannot be, which is said once. */
export async function loadSendfile(log: Log): Promise<Sendfile | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    const call = koffi
      .load(null)
      .func("int64_t sendfile(int outFd, int inFd, _Inout_ int64_t *offset, uint64_t count)");
    return (socketFd, fileFd, offset, countBytes) => {
      const sent = Number(call(socketFd, fileFd, offset, countBytes));
      return sent < 0 ? -koffi.errno() : sent;
    };
  } catch (error) {
    log.info({ error }, "sendfile is not available; blobs are sent from memory");
    return undefined;
  }
}

/**
 * Lets the kernel copy from the file to the socket: half the CPU of reading and writing. Takes the socket's descriptor from Node's private
 * handle, so everything is checked first, and whatever is missing (TLS, a reader without a file, another platform, a later Node) goes to
 * `fallback`.
 */
export function createSendfileBlobSender(sendfile: Sendfile, fallback: BlobSender): BlobSender {
  return {
    async send(response, reader, part, signal) {
      const socketFd = part.lengthBytes < minBytes ? undefined : descriptorOf(response.socket);
      if (reader.fileDescriptor === undefined || socketFd === undefined) {
        return fallback.send(response, reader, part, signal);
      }
      await flushHeaders(response);
      const offset = new BigInt64Array([BigInt(part.start)]);
      const end = part.start + part.lengthBytes;
      const probe = Buffer.allocUnsafe(probeBytes);
      for (let position = part.start; position < end; ) {
        signal.throwIfAborted();
        const socket = response.socket;
        if (socket === null || socket.destroyed) throw new Error("the client closed the connection");
        const sent = burst(sendfile, { socketFd, fileFd: reader.fileDescriptor, offset, end });
        position = Number(offset[0]);
        if (sent !== "full") socket.setTimeout(socket.timeout ?? 0); // progress that Node does not see
        if (sent === "full") {
          const wanted = probe.subarray(0, Math.min(probeBytes, end - position));
          const got = await reader.read(wanted, position);
          if (got === 0) throw new Error(`storage ends ${end - position} bytes before the blob does`);
          await writeChunk(response, wanted.subarray(0, got));
          position += got;
          offset[0] = BigInt(position);
        } else await nextTurn();
      }
    },
  };
}

/** Sends until the socket is full or the turn's share is spent; tells the bytes, or "full" when nothing more fits now. */
function burst(
  sendfile: Sendfile,
  transfer: {
    readonly socketFd: number;
    readonly fileFd: number;
    readonly offset: BigInt64Array;
    readonly end: number;
  },
): number | "full" {
  const start = Number(transfer.offset[0]);
  const stop = Math.min(transfer.end, start + burstBytes);
  for (let position = start; position < stop; position = Number(transfer.offset[0])) {
    const sent = sendfile(transfer.socketFd, transfer.fileFd, transfer.offset, stop - position);
    if (sent === -constants.errno.EAGAIN) return "full";
    if (sent === -constants.errno.EINTR) continue;
    if (sent < 0) throw new Error(`sendfile failed with errno ${-sent}`);
    if (sent === 0) throw new Error("storage ends before the blob does");
  }
  return stop - start;
}

/** The kernel's number of a plain socket; undefined for TLS and where Node keeps it elsewhere. */
function descriptorOf(socket: Socket | null): number | undefined {
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return undefined;
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd > 0 ? handle.fd : undefined;
}

/** Resolves when everything Node holds for the socket has gone to the kernel: nothing may overtake the headers. */
function flushHeaders(response: ServerResponse): Promise<void> {
  response.flushHeaders();
  const socket = response.socket;
  if (socket === null || socket.writableLength === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error("the client closed the connection"));
    socket.once("close", onClose);
    socket.write("", () => {
      socket.off("close", onClose);
      resolve();
    });
  });
}
