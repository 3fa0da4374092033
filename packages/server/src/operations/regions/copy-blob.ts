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

/** What a copy came to. */
export interface Copied {
  /** False = it was there, whole, before anybody copied it now. */
  readonly isNew: boolean;
  readonly bytes: number;
}

/**
 * Puts a blob into a region, under the location that it has everywhere, from whichever other region has it; checked against its digest before it counts, and
 * seen to be there whole afterwards. What lies there and is not whole is replaced by the commit; nothing is removed before, as a request that is given up goes
 * on behind it, and would remove what somebody else has copied meanwhile. One copy of a blob to a region at a time is for the caller to see to; should two meet
 * all the same, each ends with a whole copy or an error, after which the next attempt makes one. May be repeated after a crash.
 * `DIGEST_INVALID` when the bytes that were read are others; whatever the regions throw else.
 */
export async function copyBlob(
  regional: RegionalBlobStore,
  blob: Pick<DuePlacement, "digest" | "sizeBytes" | "location">,
  target: Region,
  signal: AbortSignal,
): Promise<Copied> {
  if (await hasBlob(target, blob)) return { isNew: false, bytes: 0 };
  const reader = await regional.openOutside(target.name, blob.location);
  try {
    const bytes = await writeCopy(blob, reader, target, signal);
    if (!(await hasBlob(target, blob))) throw new Error("the copy was taken apart while it was made");
    return { isNew: true, bytes };
  } finally {
    await reader.close();
  }
}

/** Whether the region has the blob at the location, whole. */
export function hasBlob(
  region: Region,
  { location, sizeBytes }: Pick<DuePlacement, "sizeBytes" | "location">,
): Promise<boolean> {
  return inRegion(region, answerMs, (store) => store.hasWhole(location, sizeBytes));
}

async function writeCopy(
  blob: Pick<DuePlacement, "digest" | "location">,
  reader: BlobReader,
  target: Region,
  signal: AbortSignal,
): Promise<number> {
  const { uploadId } = partsOfLocation(blob.location);
  const hash = createHash(digestAlgorithm(blob.digest));
  // It was perhaps stopped for long since it looked.
  signal.throwIfAborted();
  const writer = await inRegion(target, answerMs, (store) => store.openUpload(uploadId, 0));
  let isRight = true;
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
    isRight = hash.digest("hex") === digestHex(blob.digest);
    if (!isRight) {
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
    // Only what is known to be wrong. Else it may be another copier's by now, and what is left is written over by the next attempt.
    if (!isRight && !target.watch.isDown() && !signal.aborted) {
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
