import type { ServerResponse } from "node:http";
import type { BlobReader } from "../storage/blob-store/blob-store.ts";

/** One way to bring a part of a blob to a client. Headers are set and the status is fixed; the reply is not ended. */
export interface BlobSender {
  /**
   * Sends `lengthBytes` bytes from `start` on, waiting whenever the client is slow. Throws `ClientGone` when the client goes away, and what
   * went wrong when storage fails or ends early; then the connection must be destroyed, as the reply cannot be made whole.
   */
  send(response: ServerResponse, reader: BlobReader, part: BlobPart, transfer: Transfer): Promise<void>;
}

export interface BlobPart {
  readonly start: number;
  readonly lengthBytes: number;
}

/** What a sender is told about the request, and tells. */
export interface Transfer {
  /** Fires when the client has gone away. */
  readonly signal: AbortSignal;
  /** Told of bytes of the body that the kernel has taken. */
  sent(bytes: number): void;
}

/** The client closed the connection before it had everything: nobody's fault here. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
  constructor(cause?: unknown) {
    super("the client closed the connection", { cause });
  }
}

/** Writes one chunk and resolves when the kernel has taken it, so that its buffer may be used again. */
export function writeChunk(response: ServerResponse, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // Not the response's "close": a reply that waits behind another one on its connection never has one.
    const onGone = () => reject(new ClientGone(signal.reason));
    if (signal.aborted || response.destroyed) {
      onGone();
      return;
    }
    signal.addEventListener("abort", onGone, { once: true });
    response.write(chunk, (error) => {
      signal.removeEventListener("abort", onGone);
      if (error) reject(new ClientGone(error));
      else resolve();
    });
  });
}
