import type { ServerResponse } from "node:http";
import type { BlobReader } from "../storage/blob-store/blob-store.ts";

/** One way to bring a part of a blob to a client. Headers are set and the status is fixed; the reply is not ended. */
export interface BlobSender {
  /**
   * Sends `lengthBytes` bytes from `start` on, waiting whenever the client is slow. Throws when the client goes away, `signal` fires, or storage
   * ends early; then the connection must be destroyed, as the reply cannot be made whole.
   */
  send(response: ServerResponse, reader: BlobReader, part: BlobPart, signal: AbortSignal): Promise<void>;
}

export interface BlobPart {
  readonly start: number;
  readonly lengthBytes: number;
}

/** Writes one chunk and resolves when the kernel has taken it, so that its buffer may be used again. */
export function writeChunk(response: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error("the client closed the connection"));
    if (response.destroyed || response.closed) {
      onClose();
      return;
    }
    response.once("close", onClose);
    response.write(chunk, (error) => {
      response.off("close", onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}
