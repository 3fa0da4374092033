import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { constants } from "node:os";
import { TLSSocket } from "node:tls";
import { type BlobSender, ClientGone } from "../blob-sender.ts";
import type { Sendfile } from "./kernel-calls.ts";
import { storageEnds, type TransferThread } from "./transfer-thread.ts";

/** Below this the headers and the bytes fit one write, which is cheaper. */
const minBytes = 262_144;
/** Up to this a part is sent at once, as far as the socket takes it: asking the thread takes longer. */
const atOnceBytes = 1_048_576;
/**
 * The last bytes are written the ordinary way, after the thread has told that it is done: a client that has everything sends its next request at once, and would be
 * faster than the word that the reply has ended.
 */
const lastBytes = 16_384;

/**
 * Lets the kernel copy from the file to the socket: half the CPU of reading and writing. Takes the socket's descriptor from Node's private
 * handle, so everything is checked first, and whatever is missing (TLS, a reader without a file, another platform, a later Node, a file system
 * that cannot, the thread) goes to `fallback`.
 */
export function createSendfileBlobSender(
  sendfile: Sendfile,
  thread: TransferThread,
  fallback: BlobSender,
): BlobSender {
  return {
    async send(response, reader, part, transfer) {
      const fileFd = reader.fileDescriptor;
      if (
        fileFd === undefined ||
        part.lengthBytes < minBytes ||
        descriptorOf(response.socket) === undefined ||
        !thread.isReady()
      ) {
        return fallback.send(response, reader, part, transfer);
      }
      await flushHeaders(response, transfer.signal);
      const end = part.start + part.lengthBytes;
      let position = part.start;
      let errno: number = constants.errno.EAGAIN;
      const moved = (bytes: number): void => {
        position += bytes;
        transfer.sent(bytes);
        noteProgress(response);
      };
      if (part.lengthBytes <= atOnceBytes) {
        const sent = sendfile(
          openSocket(response),
          fileFd,
          new BigInt64Array([BigInt(position)]),
          part.lengthBytes,
        );
        if (sent > 0) moved(sent);
        else errno = sent === 0 ? storageEnds : -sent;
      }
      if (errno === constants.errno.EAGAIN && position < end - lastBytes && thread.isReady()) {
        const socketFd = openSocket(response);
        if (transfer.signal.aborted) throw new ClientGone(transfer.signal.reason);
        errno = await thread.transfer(
          { socketFd, fileFd, position, end: end - lastBytes },
          { signal: transfer.signal, moved },
        );
      }
      check(errno, end - position);
      if (transfer.signal.aborted) throw new ClientGone(transfer.signal.reason);
      const rest = { start: position, lengthBytes: end - position };
      if (rest.lengthBytes > 0) await fallback.send(response, reader, rest, transfer);
    },
  };
}

/** Throws unless the rest can be sent in another way. */
function check(errno: number, missingBytes: number): void {
  switch (errno) {
    case 0:
    case constants.errno.EAGAIN:
    case constants.errno.EINTR:
    // sendfile(2): the file system has no splice support, or a sandbox forbids the call. dup(2): there are no more descriptors.
    case constants.errno.EINVAL:
    case constants.errno.ENOSYS:
    case constants.errno.EOPNOTSUPP:
    case constants.errno.EPERM:
    case constants.errno.EMFILE:
      return;
    case constants.errno.EPIPE:
    case constants.errno.ECONNRESET:
    case constants.errno.ENOTCONN:
      throw new ClientGone();
    case storageEnds:
      throw new Error(`storage ends ${missingBytes} bytes before the blob does`);
    default:
      throw new Error(`sendfile failed with errno ${errno}`);
  }
}

/** The descriptor, asked for afresh before each use: a number of a closed socket may belong to another client by now. */
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
