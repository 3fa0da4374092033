import { failure } from "../case-problem.ts";
import { expectLocation, expectReply } from "../expectations.ts";
import type { HttpReply } from "../http-exchange.ts";
import { headerValue } from "../http-exchange.ts";
import type { BlobPush } from "./blob-upload.ts";
import { blobContentType, closeUpload, openUpload, withDigest } from "./blob-upload.ts";

export interface ChunkPlan {
  /** The last chunk travels in the closing PUT instead of a PATCH. */
  readonly closesWithChunk: boolean;
  /** Before each right chunk a wrong one is sent, which must be refused without harm to the upload. */
  readonly isOutOfOrder: boolean;
}

/**
 * Pushes a blob in (at most) three chunks, each to the newest location, and closes the upload
 * (distribution-spec, "Pushing a blob in chunks": ranges are inclusive and without a unit).
 */
export async function pushInChunks(push: BlobPush, plan: ChunkPlan): Promise<void> {
  const { bytes } = push.blob;
  const [opened, reply] = await openUpload(push);
  rememberChunkMinimum(push, reply);
  const sizeBytes = Math.max(push.run.pushMemory.chunkMinimumBytes, Math.floor(bytes.length / 3) + 1);
  let location = opened;
  for (let start = 0; start < bytes.length; start += sizeBytes) {
    if (plan.isOutOfOrder) location = await sendWrongChunk(push, plan, location, start, sizeBytes);
    const chunk = takeChunk(bytes, start, sizeBytes);
    if (plan.closesWithChunk && chunk.isLast) {
      return closeUpload(push, location, chunk.bytes, [["Content-Range", chunk.range]]);
    }
    const patched = await sendChunk(push, "PATCH", location, chunk);
    expectReply(patched, { status: [202] });
    location = expectLocation(patched, location);
  }
  return closeUpload(push, location);
}

/**
 * Sends a chunk that does not start at the current end, and recovers: 416, then the upload tells where it stands.
 * Resolves with the location to go on with. What is sent skips ahead by one chunk, or back to the beginning.
 */
async function sendWrongChunk(
  push: BlobPush,
  plan: ChunkPlan,
  location: URL,
  start: number,
  sizeBytes: number,
): Promise<URL> {
  const ahead = start + sizeBytes;
  const chunk = takeChunk(push.blob.bytes, ahead < push.blob.bytes.length ? ahead : 0, sizeBytes);
  const isPut = plan.closesWithChunk && chunk.isLast;
  const url = isPut ? withDigest(location, push.blob.digest) : location;
  const refused = await sendChunk(push, isPut ? "PUT" : "PATCH", url, chunk);
  if (refused.status !== 416)
    throw failure(`out-of-order chunk ${chunk.range}: status ${refused.status}, expected 416`);
  const status = await push.run.client.send({ method: "GET", url }, push.log);
  expectReply(status, { status: [204] });
  const range = headerValue(status, "Range") ?? "";
  const lastByte = /^0-(\d+)$/.exec(range)?.[1];
  if (lastByte === undefined)
    throw failure(`upload status has Range ${JSON.stringify(range)}, expected 0-<last byte>`);
  // While nothing was accepted, "0-0" is all a registry can say, so any number will do.
  if (start > 0 && Number(lastByte) !== start - 1)
    throw failure(`upload status Range 0-${lastByte}, expected 0-${start - 1}`);
  return expectLocation(status, url);
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly range: string;
  readonly isLast: boolean;
}

function takeChunk(bytes: Uint8Array, start: number, sizeBytes: number): Chunk {
  const end = Math.min(start + sizeBytes, bytes.length);
  return { bytes: bytes.subarray(start, end), range: `${start}-${end - 1}`, isLast: end === bytes.length };
}

function sendChunk(push: BlobPush, method: "PATCH" | "PUT", url: URL, chunk: Chunk): Promise<HttpReply> {
  const headers = [blobContentType, ["Content-Range", chunk.range]] as const;
  return push.run.client.send({ method, url, headers, body: chunk.bytes }, push.log);
}

function rememberChunkMinimum(push: BlobPush, reply: HttpReply): void {
  const text = headerValue(reply, "OCI-Chunk-Min-Length");
  if (text === undefined) return;
  if (!/^\d+$/.test(text))
    throw failure(`OCI-Chunk-Min-Length ${JSON.stringify(text)} is not a number of bytes`);
  push.run.pushMemory.rememberChunkMinimum(Number(text));
}
