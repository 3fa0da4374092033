import { randomBytes } from "node:crypto";
import { buffer as collect } from "node:stream/consumers";
import { AppError } from "../../../lib/app-error.ts";
import type { BlobWriter, MayChange } from "../blob-store.ts";
import type { ObjectMedium, PartedObject } from "./object-medium.ts";
import { newSegmentName } from "./object-names.ts";
import { endOf, type PlacedSegment } from "./resolve-segments.ts";

/** An upload of more is refused: its index would be read in full for each pull. Chunks that are not tiny never come near. */
const maxSegments = 50_000;
/** So many short segments are taken into one at once: their nonces, two each at most, must fit into a key, with two more when it is cut. */
const maxReplaced = 7;
/** A segment is taken into the next one when it is not larger than so many times what follows it: each byte is written few times. */
const growth = 4;
const firstBufferBytes = 65_536;

/**
 * Appends segments to an upload: what comes between two `sync`s becomes one object (several only beyond the medium's number of
 * parts). Holds two parts at most: one that fills while one is on its way. Short segments are written together with what follows.
 */
export function createSegmentWriter(
  medium: ObjectMedium,
  folder: string,
  existing: readonly PlacedSegment[],
  mayPublish: MayChange,
): BlobWriter {
  const chain = [...existing];
  let buffer = Buffer.allocUnsafeSlow(Math.min(firstBufferBytes, medium.partBytes));
  let filled = 0;
  let open:
    | { readonly object: PartedObject; readonly name: string; parts: number; sizeBytes: number }
    | undefined;
  let sending: Promise<void> = Promise.resolve();
  let mayReplace = true;
  let closed = false;

  /** Makes room for at least one more byte, without ever exceeding one part. */
  function makeRoom(): void {
    if (filled < buffer.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(buffer.byteLength * 4, medium.partBytes));
    buffer.copy(larger, 0, 0, filled);
    buffer = larger;
  }

  /** Sends the buffer as the next part, once the part before has arrived. */
  async function sendPart(): Promise<void> {
    await sending;
    const start = endOf(chain);
    if (open === undefined) {
      const name = newSegmentName(start, newNonce(), []);
      open = { object: await medium.begin(folder + name), name, parts: 0, sizeBytes: 0 };
    }
    open.parts += 1;
    open.sizeBytes += filled;
    sending = open.object.writePart(open.parts, buffer.subarray(0, filled));
    // It is awaited above or below; meanwhile nobody listens.
    sending.catch(() => {});
    buffer = Buffer.allocUnsafeSlow(medium.partBytes);
    filled = 0;
    if (open.parts === medium.maxParts) await finishParted();
  }

  async function finishParted(): Promise<void> {
    if (open === undefined) return;
    await sending;
    const { object, name, sizeBytes } = open;
    // The last part may have been on its way for long.
    await mayPublish();
    await publish(name, async () => {
      await object.complete();
      open = undefined;
    });
    push(name, sizeBytes);
  }

  /** Does what makes an object visible. */
  async function publish(name: string, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      // It may have arrived all the same.
      await takeBackUnlessMay(name).catch(() => {});
      throw error;
    }
    await takeBackUnlessMay(name);
  }

  /**
   * Another may have begun to write while the object was on its way. Two segments with the same start would make the upload unreadable: it goes again. What it
   * replaces is still there, or the other has seen it, and goes on with a copy (`cutChain`).
   */
  async function takeBackUnlessMay(name: string): Promise<void> {
    try {
      await mayPublish();
    } catch (error) {
      // What cannot be removed now leaves an upload that is refused, not one with wrong bytes.
      await medium.delete([folder + name]).catch(() => {});
      throw error;
    }
  }

  function push(name: string, sizeBytes: number): void {
    const [, nonce = ""] = name.split(".");
    chain.push({ name, start: endOf(chain), sizeBytes, objects: [{ name, nonce }] });
    if (chain.length > maxSegments) {
      throw new AppError("SIZE_INVALID", "the upload came in too many small chunks; send larger ones");
    }
  }

  /** Stores what came since the last sync as one small object, together with short segments before it. */
  async function putSmall(): Promise<void> {
    const replaced: PlacedSegment[] = [];
    let sizeBytes = filled;
    for (let last = chain.at(-1); last !== undefined && replaced.length < maxReplaced; last = chain.at(-1)) {
      if (!mayReplace || last.sizeBytes > sizeBytes * growth || last.sizeBytes + sizeBytes > medium.partBytes)
        break;
      replaced.unshift(last);
      sizeBytes += last.sizeBytes;
      chain.pop();
    }
    const before = await Promise.all(replaced.map((segment) => readSegment(medium, folder, segment)));
    const bytes = Buffer.concat([...before, buffer.subarray(0, filled)]);
    const objects = replaced.flatMap((segment) => segment.objects);
    const nonces = objects.map(({ nonce }) => nonce);
    const name = newSegmentName(endOf(chain), newNonce(), nonces);
    await publish(name, () => medium.put(folder + name, bytes));
    push(name, bytes.byteLength);
    filled = 0;
    await dropReplaced(objects.map((object) => folder + object.name));
  }

  /**
   * Removes what the newest segment replaces. The newest one's name alone says that they do not count, so it must stay while they do: after a
   * failure this writer replaces nothing more, and the next one begins by removing what is left.
   */
  async function dropReplaced(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    try {
      await medium.delete(keys);
    } catch {
      mayReplace = false;
    }
  }

  return {
    async append(chunks) {
      for (const chunk of chunks) {
        for (let from = 0; from < chunk.byteLength; ) {
          if (filled === medium.partBytes) await sendPart();
          makeRoom();
          const piece = chunk.subarray(from, from + buffer.byteLength - filled);
          buffer.set(piece, filled);
          filled += piece.byteLength;
          from += piece.byteLength;
        }
      }
    },
    async sync() {
      if (open === undefined) {
        if (filled > 0) await putSmall();
        return;
      }
      if (filled > 0) await sendPart();
      await finishParted();
    },
    async close() {
      if (closed) return;
      closed = true;
      if (open === undefined) return;
      await sending.catch(() => {});
      // What cannot be given back now is found as an unfinished object later.
      await open.object.abort().catch(() => {});
    },
  };
}

export async function readSegment(
  medium: ObjectMedium,
  folder: string,
  segment: PlacedSegment,
): Promise<Buffer> {
  const stream = await medium.get(folder + segment.name, 0, segment.sizeBytes);
  const bytes = stream === undefined ? Buffer.alloc(0) : await collect(stream);
  if (bytes.byteLength !== segment.sizeBytes) {
    throw new AppError("UNAVAILABLE", "the object store gave back fewer bytes than it was given");
  }
  return bytes;
}

export function newNonce(): string {
  return randomBytes(8).toString("hex");
}
