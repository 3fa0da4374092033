import { createHash } from "node:crypto";
import { digestAlgorithm, digestHex, parseDigest } from "@entrepot/oci/digest";
import { byPartOfRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import { scheduleBlobDeletion } from "../../registry/blobs/linked-blob-store.ts";
import type { BlobLocation, BlobReader, BlobStore, UploadId } from "../../storage/blob-store/blob-store.ts";
import type { Database } from "../../storage/database/database.ts";
import { countUploads, listBlobsAt, moveBlobRow, type PlacedBlob } from "./placed-blob-store.ts";

export interface MoveDeps {
  readonly database: Database;
  readonly from: BlobStore;
  readonly to: BlobStore;
  readonly clock: Clock;
}

export interface MoveReport {
  readonly moved: number;
  readonly bytes: number;
  /** Digests whose bytes are gone or wrong where they lie: they stay, see `entrepot verify`. */
  readonly damaged: readonly string[];
  /** Uploads that are under way and will end where they began: move again afterwards. */
  readonly uploadsLeft: number;
}

const pageSize = 100;
const readBytes = 1_048_576;
/** Whoever looked a blob up just before it moved has so long to open it. */
const openDelayMs = 60_000;

/**
 * Moves every blob from one store to the other while the registry runs over both (`withPrevious`): copied, checked against its digest, then its row says the new
 * place, and the old bytes are removed by the collector a minute later. May be interrupted and repeated: it goes on with what is left. Bytes
 * of a move that died in between are known to nobody; `verify` removes them.
 */
export async function moveBlobs(
  deps: MoveDeps,
  options: {
    readonly parallel: number;
    readonly signal: AbortSignal;
    readonly onProgress: (moved: { readonly blobs: number; readonly bytes: number }) => void;
  },
): Promise<MoveReport> {
  const { database } = deps;
  const sum = { moved: 0, bytes: 0 };
  const damaged: string[] = [];
  const uploads: string[] = [];
  async function movePage(locations: readonly string[]): Promise<void> {
    const blobs = await listBlobsAt(database.read, locations);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let blob = blobs[next++]; blob !== undefined; blob = blobs[next++]) {
        options.signal.throwIfAborted();
        const outcome = await moveBlob(deps, blob);
        if (outcome === "damaged") damaged.push(blob.digest);
        if (outcome !== "moved") continue;
        sum.moved += 1;
        sum.bytes += blob.sizeBytes;
      }
    };
    await Promise.all(Array.from({ length: options.parallel }, work));
    options.onProgress({ blobs: sum.moved, bytes: sum.bytes });
  }
  let page: string[] = [];
  for await (const { kind, name } of deps.from.list()) {
    if (kind === "upload") uploads.push(name);
    else page.push(name);
    if (page.length < pageSize) continue;
    await movePage(page);
    page = [];
  }
  await movePage(page);
  let uploadsLeft = 0;
  for (let start = 0; start < uploads.length; start += pageSize) {
    uploadsLeft += await countUploads(database.read, uploads.slice(start, start + pageSize));
  }
  const report = { ...sum, damaged, uploadsLeft };
  await database.transaction((tx) =>
    recordAudit(tx, byPartOfRegistry("storage-move"), deps.clock.nowMs(), {
      action: "storage.move",
      target: "registry",
      detail: { ...sum, damaged: damaged.length, uploadsLeft },
    }),
  );
  return report;
}

async function moveBlob(deps: MoveDeps, blob: PlacedBlob): Promise<"moved" | "gone" | "damaged"> {
  const copied = await copyBlob(deps, blob);
  if (copied === undefined) {
    const isStill = (await listBlobsAt(deps.database.read, [blob.location])).length > 0;
    return isStill ? "damaged" : "gone";
  }
  const isMoved = await deps.database.transaction(async (tx) => {
    if (!(await moveBlobRow(tx, blob, copied))) return false;
    const notBeforeMs = deps.clock.nowMs() + openDelayMs;
    const { location, sizeBytes } = blob;
    const digest = parseDigest(blob.digest);
    await scheduleBlobDeletion(tx, { location, sizeBytes, digest, notBeforeMs }).execute();
    return true;
  });
  if (isMoved) return "moved";
  // Collected, or healed by a push, while it was copied.
  await deps.to.deleteBlob(copied);
  return "gone";
}

/** Undefined when the bytes are not there or are not those of the digest. */
async function copyBlob({ from, to }: MoveDeps, blob: PlacedBlob): Promise<BlobLocation | undefined> {
  const digest = parseDigest(blob.digest);
  let reader: BlobReader;
  try {
    reader = await from.openBlob(blob.location);
  } catch (error) {
    if (error instanceof AppError && error.code === "BLOB_UNKNOWN") return undefined;
    throw error;
  }
  const id = newUuid() as UploadId; // as: a UUID has the form of an upload id
  const hash = createHash(digestAlgorithm(digest));
  let isWhole = false;
  try {
    const writer = await to.openUpload(id, 0);
    try {
      for (let position = 0; position < reader.sizeBytes; ) {
        // A new one each time: the store may keep it until it has written it.
        const buffer = Buffer.allocUnsafe(Math.min(readBytes, reader.sizeBytes - position));
        const got = await reader.read(buffer, position);
        if (got === 0) break;
        hash.update(buffer.subarray(0, got));
        await writer.append([buffer.subarray(0, got)]);
        position += got;
      }
      await writer.sync();
    } finally {
      await writer.close();
    }
    isWhole = hash.digest("hex") === digestHex(digest);
    return isWhole ? await to.commitUpload(id, digest, reader.sizeBytes) : undefined;
  } finally {
    await reader.close();
    if (!isWhole) await to.discardUpload(id);
  }
}
