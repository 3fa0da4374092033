import type { Hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { BlobWriter } from "../../storage/blob-store/blob-store.ts";

/** One write to the blob store; at most twice this is held per upload (one batch filling while one is written). */
const batchBytes = 1_048_576;

export interface Received {
  readonly bytes: number;
  /** Why the body ended early; undefined = it arrived whole. What was received before is appended and hashed. */
  readonly failure: unknown;
}

/**
 * Appends a request body to an upload in one pass: hashes on this thread, collects 1 MiB, writes one batch while the next fills, and
 * stops reading when both are full. A client that breaks off is no error here: the caller keeps what came.
 * Throws when the blob store fails; then nothing is known about what was appended.
 */
export function receiveBody(
  source: Readable,
  writer: BlobWriter,
  hash: Hash,
  signals: readonly AbortSignal[],
): Promise<Received> {
  return new Promise((resolve, reject) => {
    let filling: Buffer[] = [];
    let fillingBytes = 0;
    let receivedBytes = 0;
    let writing = false;
    let ended = false;
    let failure: unknown;

    function settle(act: () => void): void {
      source.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onClose);
      for (const signal of signals) signal.removeEventListener("abort", onAbort);
      act();
    }
    function flush(): void {
      if (writing) return;
      if (fillingBytes === 0) {
        if (ended) settle(() => resolve({ bytes: receivedBytes, failure }));
        return;
      }
      if (fillingBytes < batchBytes && !ended) return;
      const batch = filling;
      filling = [];
      fillingBytes = 0;
      writing = true;
      if (source.isPaused() && !ended) source.resume();
      writer.append(batch).then(
        () => {
          writing = false;
          flush();
        },
        // `writing` stays true: nothing is written after a failure.
        (error: unknown) => settle(() => reject(error)),
      );
    }
    function onData(chunk: Buffer): void {
      hash.update(chunk);
      receivedBytes += chunk.byteLength;
      filling.push(chunk);
      fillingBytes += chunk.byteLength;
      if (fillingBytes < batchBytes) return;
      if (writing) source.pause();
      else flush();
    }
    function finish(reason: unknown): void {
      if (ended) return;
      ended = true;
      failure = reason;
      flush();
    }
    const onEnd = () => finish(undefined);
    const onBroken = (error: unknown) => finish(error);
    const onClose = () => finish(new Error("the client closed the connection before the body was complete"));
    function onAbort(this: AbortSignal): void {
      source.pause();
      finish(this.reason);
    }

    for (const signal of signals) {
      if (signal.aborted) {
        finish(signal.reason);
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
    }
    if (source.readableEnded) {
      finish(undefined);
      return;
    }
    if (source.destroyed) {
      // Gone while the upload was being claimed: no event tells so any more.
      if (source.errored === null) onClose();
      else finish(source.errored);
      return;
    }
    source.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onClose);
  });
}
