import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { AppError } from "../../../lib/app-error.ts";
import type { BlobReader } from "../blob-store.ts";
import type { ObjectMedium } from "./object-medium.ts";
import type { Segment } from "./resolve-segments.ts";

/** How much the first request for bytes asks for; each that follows on without a gap asks for twice as much as the one before. */
const firstWindowBytes = 1_048_576;
const maxWindowBytes = 67_108_864;
/** Broken answers in a row, without a byte in between, before a read gives up. */
const attempts = 4;
const pauseMs = 100;
/** The service may be silent for so long in the middle of an answer. */
const silenceMs = 20_000;

interface Window {
  readonly stream: Readable;
  readonly chunks: AsyncIterator<Buffer>;
  position: number;
  readonly end: number;
  rest: Buffer;
}

/**
 * Reads segments one after another by ranges, as the reader asks for them: bytes that nobody reads are not fetched beyond the window that is
 * open and what the socket holds. An answer that breaks off, ends early or falls silent is asked for again at the exact byte. Reads may
 * overlap; they are answered in turn. `BLOB_UNKNOWN` when a segment is gone.
 */
export function createSegmentReader(
  medium: ObjectMedium,
  folder: string,
  segments: readonly Segment[],
  onClose: () => Promise<void>,
): BlobReader {
  const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  let window: Window | undefined;
  let windowBytes = firstWindowBytes;
  let turn: Promise<unknown> = Promise.resolve();
  let closed = false;

  function dropWindow(): void {
    window?.stream.destroy();
    window = undefined;
  }

  async function openWindow(position: number, wantedBytes: number): Promise<Window> {
    const { segment, start } = segmentAt(segments, position);
    const from = position - start;
    const lengthBytes = Math.min(segment.sizeBytes - from, Math.max(windowBytes, wantedBytes));
    const stream = await medium.get(folder + segment.name, from, lengthBytes);
    if (stream === undefined) throw new AppError("BLOB_UNKNOWN", "the blob's bytes are not in storage");
    // What breaks after it was destroyed is nobody's business.
    stream.on("error", () => {});
    const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
    return { stream, chunks, position, end: position + lengthBytes, rest: Buffer.alloc(0) };
  }

  /** The window that stands at the position, opened when none does. */
  async function windowAt(position: number, wantedBytes: number): Promise<Window> {
    if (window?.position === position && position < window.end) return window;
    const followsOn = window?.position === position && position === window.end;
    windowBytes = followsOn ? Math.min(windowBytes * 2, maxWindowBytes) : firstWindowBytes;
    dropWindow();
    window = await openWindow(position, wantedBytes);
    return window;
  }

  /** At least one byte into the buffer; throws when the answer ends before its time. */
  async function readSome(buffer: Uint8Array, position: number): Promise<number> {
    const at = await windowAt(position, buffer.byteLength);
    if (at.rest.byteLength === 0) at.rest = await nextChunk(at);
    const piece = at.rest.subarray(0, Math.min(buffer.byteLength, at.end - at.position));
    buffer.set(piece);
    at.rest = at.rest.subarray(piece.byteLength);
    at.position += piece.byteLength;
    return piece.byteLength;
  }

  async function readFully(buffer: Uint8Array, position: number): Promise<number> {
    const wanted = Math.max(0, Math.min(buffer.byteLength, sizeBytes - position));
    let failures = 0;
    for (let got = 0; got < wanted; ) {
      if (closed) throw new Error("the reader is closed");
      try {
        got += await readSome(buffer.subarray(got, wanted), position + got);
        failures = 0;
      } catch (error) {
        dropWindow();
        failures += 1;
        const isFinal = error instanceof AppError && error.code === "BLOB_UNKNOWN";
        if (isFinal || closed || failures >= attempts) throw error;
        await pause(pauseMs * 2 ** failures);
      }
    }
    return wanted;
  }

  return {
    sizeBytes,
    fileDescriptor: undefined,
    read(buffer, position) {
      const mine = turn.then(() => readFully(buffer, position));
      turn = mine.catch(() => {});
      return mine;
    },
    async close() {
      if (closed) return;
      closed = true;
      dropWindow();
      await turn;
      dropWindow();
      await onClose();
    },
  };
}

function segmentAt(
  segments: readonly Segment[],
  position: number,
): { readonly segment: Segment; readonly start: number } {
  let start = 0;
  for (const segment of segments) {
    if (position < start + segment.sizeBytes) return { segment, start };
    start += segment.sizeBytes;
  }
  throw new Error("a read past the end of the blob");
}

async function nextChunk(window: Window): Promise<Buffer> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(broken("fell silent")), silenceMs);
  });
  try {
    const { value, done } = await Promise.race([window.chunks.next(), silence]);
    if (done) throw broken(`ended ${window.end - window.position} bytes early`);
    return value;
  } finally {
    clearTimeout(timer);
  }
}

function broken(how: string): AppError {
  return new AppError("UNAVAILABLE", `the object store's answer ${how}`);
}
