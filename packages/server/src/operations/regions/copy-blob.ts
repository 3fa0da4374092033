import { createHash } from "node:crypto";
import { digestAlgorithm, digestHex } from "@entrepot/oci/digest";
import { AppError } from "../../lib/app-error.ts";
import type { BlobReader } from "../../storage/blob-store/blob-store.ts";
import { partsOfLocation } from "../../storage/blob-store/names.ts";
import { inRegion, type Region } from "../../storage/blob-store/regions/region.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { DuePlacement } from "./blob-placement-store.ts";

const answerMs = 15_000;
const chunkBytes = 1_048_576;

/**
 * Puts a blob into a region, under the location that it has everywhere, from whichever other region has it; checked against its digest before it counts. Tells
 * how many bytes were copied: 0 when it was there. One copy of a blob to a region at a time: the caller sees to that. May be repeated after a crash.
 * `DIGEST_INVALID` when the bytes that were read are others; whatever the regions throw else.
 */
export async function copyBlob(
  regional: RegionalBlobStore,
  blob: Pick<DuePlacement, "digest" | "sizeBytes" | "location">,
  target: Region,
  signal: AbortSignal,
): Promise<number> {
  // Of one without bytes nothing can be read to see that it is there: it is written once more.
  if (blob.sizeBytes > 0 && (await hasBlob(target, blob))) return 0;
  const reader = await regional.openOutside(target.name, blob.location);
  try {
    // Something that is not whole may lie there, which a commit would find and keep.
    if (blob.sizeBytes > 0) await inRegion(target, answerMs, (store) => store.deleteBlob(blob.location));
    return await writeCopy(blob, reader, target, signal);
  } finally {
    await reader.close();
  }
}

/** Whether the region has a blob of that size at the location. Its end is read: that it can be opened may be remembered from before it was removed. */
export async function hasBlob(
  region: Region,
  blob: Pick<DuePlacement, "sizeBytes" | "location">,
): Promise<boolean> {
  try {
    return await inRegion(region, answerMs, async (store) => {
      const reader = await store.openBlob(blob.location);
      try {
        if (reader.sizeBytes !== blob.sizeBytes) return false;
        return blob.sizeBytes === 0 || (await reader.read(Buffer.alloc(1), blob.sizeBytes - 1)) === 1;
      } finally {
        await reader.close();
      }
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "BLOB_UNKNOWN") return false;
    throw error;
  }
}

async function writeCopy(
  blob: Pick<DuePlacement, "digest" | "location">,
  reader: BlobReader,
  target: Region,
  signal: AbortSignal,
): Promise<number> {
  const { uploadId } = partsOfLocation(blob.location);
  const hash = createHash(digestAlgorithm(blob.digest));
  const writer = await inRegion(target, answerMs, (store) => store.openUpload(uploadId, 0));
  let isWhole = false;
  try {
    try {
      for (let position = 0; position < reader.sizeBytes; ) {
        signal.throwIfAborted();
        // A new one each time: the store may keep it until it has written it.
        const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, reader.sizeBytes - position));
        const got = await reader.read(buffer, position);
        if (got === 0) break;
        hash.update(buffer.subarray(0, got));
        await noting(target, writer.append([buffer.subarray(0, got)]));
        position += got;
      }
      await noting(target, writer.sync());
    } finally {
      await writer.close();
    }
    isWhole = hash.digest("hex") === digestHex(blob.digest);
    if (!isWhole) {
      throw new AppError("DIGEST_INVALID", "the bytes that another region gave are not those of the digest");
    }
    signal.throwIfAborted();
    const { sizeBytes } = reader;
    const location = await inRegion(target, answerMs, (store) =>
      store.commitUpload(uploadId, blob.digest, sizeBytes),
    );
    if (location !== blob.location) throw new Error("a copy came to lie at another location");
    return sizeBytes;
  } catch (error) {
    // What is left there is written over by the next attempt. Another copier's, when this one was stopped, is not ours to touch.
    if (!target.watch.isDown() && !signal.aborted) {
      await inRegion(target, answerMs, (store) => store.discardUpload(uploadId)).catch(() => {});
    }
    throw error;
  }
}

async function noting(target: Region, writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    target.watch.failed(error);
    throw error;
  }
}
