import type { Hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { DigestAlgorithm } from "@entrepot/oci/digest";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import type { HeldUpload } from "./hold-upload.ts";
import { takenOver } from "./keep-claim.ts";
import { openAsHolder } from "./open-as-holder.ts";
import { receiveBody } from "./receive-body.ts";
import { recordProgress } from "./upload-store.ts";

/** A chunk as the client announced it; both undefined for a streamed body. */
export interface Chunk {
  readonly body: Readable;
  /** Content-Range, inclusive. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

/** A hash over the bytes so far; a close may use another algorithm than the upload was begun with. */
export interface RunningHash {
  readonly algorithm: DigestAlgorithm;
  readonly hash: Hash;
}

/**
 * Appends a chunk at the upload's offset and syncs it. `running` has seen everything before and has seen the chunk too afterwards.
 * Tells the new size. `RANGE_INVALID` when the chunk does not start at the offset, `SIZE_INVALID` when it is not as long as
 * its range says; the upload is unharmed then.
 *
 * When the client breaks off, what came is kept and recorded, so that it can resume: then it throws `BLOB_UPLOAD_INVALID`. `CONFLICT` when somebody
 * else may have taken over the upload: from then on nothing is written.
 */
export async function writeChunk(
  deps: RegistryDeps,
  call: Call,
  held: HeldUpload,
  chunk: Chunk,
  running: RunningHash,
): Promise<number> {
  checkStart(held.upload.offsetBytes, chunk.range);
  try {
    return await receiveChunk(deps, call, held, chunk, running);
  } catch (error) {
    // A disk that is full must not stay so because of bytes that nobody acknowledged.
    if (error instanceof AppError && error.code === "STORAGE_FULL") await cutBack(deps, call, held);
    throw error;
  }
}

async function receiveChunk(
  deps: RegistryDeps,
  call: Call,
  held: HeldUpload,
  chunk: Chunk,
  running: RunningHash,
): Promise<number> {
  const { upload } = held;
  const writer = await openAsHolder(deps, held, upload.offsetBytes);
  try {
    const received = await receiveBody(chunk.body, writer, running.hash, [held.signal, call.signal]);
    const sizeBytes = upload.offsetBytes + received.bytes;
    if (chunk.range !== undefined) checkLength(chunk.range, received);
    await writer.sync();
    if (received.failure === undefined) return sizeBytes;
    await recordChunk(deps, held, running, sizeBytes);
    throw new AppError(
      "BLOB_UPLOAD_INVALID",
      `the request ended early; ${sizeBytes} bytes of the upload are kept, so it can be resumed there`,
      { cause: received.failure },
    );
  } finally {
    await writer.close();
  }
}

/** Gives back what a chunk wrote beyond the recorded offset. A failure only leaves it to the next chunk, or to the expiry. */
async function cutBack(deps: RegistryDeps, call: Call, held: HeldUpload): Promise<void> {
  const { id, offsetBytes } = held.upload;
  try {
    const writer = await openAsHolder(deps, held, offsetBytes);
    await writer.close();
  } catch (error) {
    call.log.warn({ error, uploadId: id }, "could not cut an upload back after the disk was full");
  }
}

/** Records a written chunk and gives the claim back: from here on the bytes are acknowledged. Keeps the running hash for the next chunk. */
export async function recordChunk(
  deps: RegistryDeps,
  held: HeldUpload,
  { algorithm, hash }: RunningHash,
  sizeBytes: number,
): Promise<void> {
  const digestSoFar = hash.copy().digest("hex");
  const progress = {
    claimant: held.claimant,
    offsetBytes: sizeBytes,
    algorithm,
    digestSoFar,
    nowMs: deps.clock.nowMs(),
  };
  const [recorded] = await deps.database.transaction((tx) =>
    commitTogether(tx, [recordProgress(tx, held.upload.id, progress)]),
  );
  held.claimEnded();
  if (recorded.length === 0) throw takenOver();
  deps.sessions.keepHash(held.upload.id, sizeBytes, hash);
}

// distribution-spec, "Pushing a blob in chunks": ranges are inclusive, and a chunk out of order is 416.
function checkStart(offsetBytes: number, range: Chunk["range"]): void {
  if (range === undefined || range.start === offsetBytes) return;
  throw new AppError(
    "RANGE_INVALID",
    `the chunk starts at byte ${range.start}, but the upload has ${offsetBytes} bytes: the next chunk must start at ${offsetBytes}`,
    { detail: { offset: offsetBytes } },
  );
}

function checkLength(
  range: { readonly start: number; readonly end: number },
  received: { readonly bytes: number; readonly failure: unknown },
): void {
  const announced = range.end - range.start + 1;
  // Fewer bytes because the client broke off are kept; fewer or more in a complete body are a client's error.
  if (received.bytes === announced || (received.failure !== undefined && received.bytes < announced)) return;
  throw new AppError(
    "SIZE_INVALID",
    `Content-Range announces ${announced} bytes, but the body has ${received.bytes}`,
  );
}
