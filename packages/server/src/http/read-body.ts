import type { Readable } from "node:stream";
import { AppError } from "../lib/app-error.ts";

/**
 * Collects a request body of at most `limitBytes`, counting while it arrives, whatever Content-Length said. `PAYLOAD_TOO_LARGE` as soon
 * as it is longer; what follows is left unread. The only bodies collected whole are manifests and small forms.
 */
export async function readBody(
  source: Readable,
  limitBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    function settle(act: () => void): void {
      source.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      act();
    }
    function onData(chunk: Buffer): void {
      bytes += chunk.byteLength;
      chunks.push(chunk);
      if (bytes <= limitBytes) return;
      source.pause();
      settle(() => reject(new AppError("PAYLOAD_TOO_LARGE", `the body is longer than ${limitBytes} bytes`)));
    }
    const onEnd = () =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () =>
      settle(() =>
        reject(new AppError("REQUEST_INVALID", "the connection closed before the body was complete")),
      );
    const onAbort = () => settle(() => reject(signal.reason));
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    source.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
    source.resume();
  });
}
