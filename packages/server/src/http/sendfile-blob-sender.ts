import { readSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import type { Log } from "../lib/log.ts";
import type { BlobSender } from "./blob-sender.ts";
import { ClientGone, writeChunk } from "./blob-sender.ts";

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
 * handle, so everything is checked first, and whatever is missing (TLS, a reader without a file, another platform, a later Node, a file system
 * that cannot) goes to `fallback`.
 */
export function createSendfileBlobSender(sendfile: Sendfile, fallback: BlobSender): BlobSender {
  return {
    async send(response, reader, part, transfer) {
      const fileFd = reader.fileDescriptor;
      if (
        fileFd === undefined ||
        part.lengthBytes < minBytes ||
        descriptorOf(response.socket) === undefined
      ) {
        return fallback.send(response, reader, part, transfer);
      }
      await flushHeaders(response, transfer.signal);
      const offset = new BigInt64Array([BigInt(part.start)]);
      const end = part.start + part.lengthBytes;
      let probe: Buffer | undefined;
      for (let position = part.start; position < end; ) {
        const outcome = burst(sendfile, { socketFd: openSocket(response), fileFd, offset, end });
        const moved = Number(offset[0]) - position;
        position += moved;
        if (moved > 0) {
          transfer.sent(moved);
          noteProgress(response);
        }
        if (outcome === "impossible") {
          const rest = { start: position, lengthBytes: end - position };
          return fallback.send(response, reader, rest, transfer);
        }
        if (outcome === "full") {
          probe ??= Buffer.allocUnsafeSlow(probeBytes);
          const wanted = probe.subarray(0, Math.min(probeBytes, end - position));
          // At once, as sendfile reads: a hop through the thread pool would let the socket run dry.
          const got = readSync(fileFd, wanted, 0, wanted.byteLength, position);
          if (got === 0) throw new Error(`storage ends ${end - position} bytes before the blob does`);
          await writeChunk(response, wanted.subarray(0, got), transfer.signal);
          transfer.sent(got);
          position += got;
          offset[0] = BigInt(position);
        } else if (position < end) await nextTurn();
        if (transfer.signal.aborted) throw new ClientGone(transfer.signal.reason);
      }
    },
  };
}

/** The descriptor, asked for afresh before each burst: a number of a closed socket may belong to another client by now. */
function openSocket(response: ServerResponse): number {
  const { socket } = response;
  const descriptor = socket === null || socket.destroyed ? undefined : descriptorOf(socket);
  if (descriptor === undefined) throw new ClientGone();
  return descriptor;
}

/** Starts the socket's idle time anew, as Node does not see these bytes. */
function noteProgress(response: ServerResponse): void {
  const { socket } = response;
  socket?.setTimeout(socket.timeout ?? 0);
}

/**
 * Sends until the turn's share is spent ("more"), the socket is full, or it turns out that this file cannot be sent so. `offset` tells
 * how far it came.
 */
function burst(
  sendfile: Sendfile,
  transfer: {
    readonly socketFd: number;
    readonly fileFd: number;
    readonly offset: BigInt64Array;
    readonly end: number;
  },
): "more" | "full" | "impossible" {
  const { socketFd, fileFd, offset } = transfer;
  const start = Number(offset[0]);
  const stop = Math.min(transfer.end, start + burstBytes);
  for (let position = start; position < stop; position = Number(offset[0])) {
    const sent = sendfile(socketFd, fileFd, offset, stop - position);
    if (sent > 0) continue;
    if (sent === 0) throw new Error("storage ends before the blob does");
    const outcome = meaningOf(-sent);
    if (outcome !== "again") return outcome;
  }
  return "more";
}

function meaningOf(errno: number): "again" | "full" | "impossible" {
  switch (errno) {
    case constants.errno.EINTR:
      return "again";
    case constants.errno.EAGAIN:
      return "full";
    // sendfile(2): the file system has no splice support, or a sandbox forbids the call.
    case constants.errno.EINVAL:
    case constants.errno.ENOSYS:
    case constants.errno.EOPNOTSUPP:
    case constants.errno.EPERM:
      return "impossible";
    case constants.errno.EPIPE:
    case constants.errno.ECONNRESET:
    case constants.errno.ENOTCONN:
      throw new ClientGone();
    default:
      throw new Error(`sendfile failed with errno ${errno}`);
  }
}

/** The kernel's number of a plain socket; undefined for TLS and where Node keeps it elsewhere. */
function descriptorOf(socket: Socket | null): number | undefined {
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return undefined;
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd > 0 ? handle.fd : undefined;
}

/** Resolves when everything Node holds for the socket has gone to the kernel: nothing may overtake the headers. */
function flushHeaders(response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.flushHeaders();
  const { socket } = response;
  if (socket === null || socket.writableLength === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onGone = () => reject(new ClientGone(signal.reason));
    if (signal.aborted) {
      onGone();
      return;
    }
    signal.addEventListener("abort", onGone, { once: true });
    socket.write("", (error) => {
      signal.removeEventListener("abort", onGone);
      if (error) reject(new ClientGone(error));
      else resolve();
    });
  });
}
