import type { IncomingMessage } from "node:http";

/** A body that nobody wants is still read so far; docker sends whole layers. */
const restBytes = 16_777_216;
const restMs = 5_000;

/**
 * Reads and drops what is left of a request's body, so that the client sees the reply: closing a connection with unread bytes makes the kernel
 * reset it, and the client reports that instead. Bounded in bytes and time, as Node's own reading on is not. False when there was more, or the
 * client went away: then the connection is only good to be cut.
 */
export function readRest(
  request: IncomingMessage,
  signal: AbortSignal,
  limits: { readonly bytes: number; readonly ms: number } = { bytes: restBytes, ms: restMs },
): Promise<boolean> {
  return new Promise((resolve) => {
    if (request.complete && request.readableEnded) {
      resolve(true);
      return;
    }
    if (request.destroyed || signal.aborted) {
      resolve(false);
      return;
    }
    let bytes = 0;
    const settle = (wasRead: boolean) => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose);
      signal.removeEventListener("abort", onClose);
      resolve(wasRead);
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > limits.bytes) settle(false);
    };
    const onEnd = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, limits.ms);
    // An error is followed by "close"; without a listener it would end the process.
    request.on("error", () => {});
    request.on("data", onData).on("end", onEnd).on("close", onClose);
    signal.addEventListener("abort", onClose, { once: true });
    request.resume();
  });
}
