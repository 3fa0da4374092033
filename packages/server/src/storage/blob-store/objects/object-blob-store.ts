import type { Digest } from "@entrepot/oci/digest";
import { LRUCache } from "lru-cache";
import { AppError } from "../../../lib/app-error.ts";
import type { BlobLocation, BlobStore, UploadId } from "../blob-store.ts";
import { locationOf } from "../names.ts";
import { type BlobIndex, formatBlobIndex, parseBlobIndex } from "./blob-index.ts";
import { createDeferredDeletes } from "./deferred-deletes.ts";
import { listStored } from "./list-stored.ts";
import type { ObjectMedium } from "./object-medium.ts";
import {
  folderOf,
  indexNameOf,
  newCutName,
  newSegmentName,
  parseSegmentName,
  placeOf,
} from "./object-names.ts";
import { readFolder, readSizes, type UploadFolder } from "./read-folder.ts";
import { areThere, endOf, type PlacedSegment } from "./resolve-segments.ts";
import { createSegmentReader } from "./segment-reader.ts";
import { createSegmentWriter, newNonce, readSegment } from "./segment-writer.ts";

const probePrefix = "probe/";
/** Indexes never change; one with a single segment takes about 250 bytes. */
const keptSegments = 100_000;

/**
 * Blobs as objects; the layout is drawn in `object-names.ts`. An upload is a list of segments, each an ordinary object that one chunk made:
 * readable at once, on any instance, and never copied. Committing writes down which segments are the blob. Nothing depends on conditional
 * writes, on a lock, or on the memory of a process.
 *
 * Order: parts → object (`sync`) → row in SQL → index (`commitUpload`) → row in SQL. Requests to the service for a blob that comes in one chunk:
 * list, put (or parts), list, put.
 */
export function createObjectBlobStore(medium: ObjectMedium): BlobStore {
  const indexes = new LRUCache<BlobLocation, BlobIndex>({
    maxSize: keptSegments,
    sizeCalculation: (index) => index.segments.length + 1,
  });
  const deletes = createDeferredDeletes(medium);

  /** Undefined when nothing is committed there. */
  async function findIndex(id: UploadId, digest: Digest): Promise<BlobIndex | undefined> {
    const location = locationOf(id, digest);
    const known = indexes.get(location);
    if (known !== undefined) return known;
    const bytes = await medium.getWhole(folderOf(id) + indexNameOf(digest));
    if (bytes === undefined) return undefined;
    const index = parseBlobIndex(bytes);
    indexes.set(location, index);
    return index;
  }

  const look = (id: UploadId): Promise<UploadFolder> =>
    readFolder(medium, id, async (digest) => (await findIndex(id, digest))?.segments);

  return {
    async openUpload(id, offsetBytes, mayChange = async () => {}) {
      const folder = folderOf(id);
      const { chain, loose, objects } = await look(id);
      // What was listed may be another's by now.
      await mayChange();
      if (offsetBytes === 0) {
        await deleteAll(medium, folder, objects);
        return createSegmentWriter(medium, folder, [], mayChange);
      }
      if (chain === undefined || endOf(chain) < offsetBytes) throw tooShort(id, offsetBytes);
      return createSegmentWriter(
        medium,
        folder,
        await cutChain(medium, folder, { chain, loose }, offsetBytes),
        mayChange,
      );
    },
    async openUploadForReading(id, sizeBytes) {
      const { chain } = await look(id);
      if (chain === undefined || endOf(chain) < sizeBytes) throw tooShort(id, sizeBytes);
      return createSegmentReader(medium, folderOf(id), takeBytes(chain, sizeBytes), async () => {});
    },
    async commitUpload(id, digest, sizeBytes) {
      const location = locationOf(id, digest);
      const folder = folderOf(id);
      // Looked up rather than remembered: another instance may have dropped it since.
      indexes.delete(location);
      const { chain, loose, committed, sizes } = await look(id);
      const before = committed.includes(digest) ? await findIndex(id, digest) : undefined;
      if (before?.sizeBytes === sizeBytes && areThere(before.segments, sizes)) return location;
      if (chain === undefined || endOf(chain) !== sizeBytes) throw tooShort(id, sizeBytes);
      // What another has committed while its segments were taken for leftovers is put right by whoever comes second.
      if (before !== undefined) await medium.delete([folder + indexNameOf(digest)]);
      const segments = chain.map((segment) => ({ name: segment.name, sizeBytes: segment.sizeBytes }));
      const index = { sizeBytes, segments };
      await medium.put(folder + indexNameOf(digest), formatBlobIndex(index));
      indexes.set(location, index);
      const cuts = chain.flatMap(({ objects, name }) => objects.filter((object) => object.name !== name));
      // They count no more; what cannot be removed now goes with the blob.
      const replaced = (before?.segments ?? []).filter(({ name }) => sizes.has(name));
      const left = [...loose, ...[...cuts, ...replaced].map(({ name }) => name)];
      await deleteAll(medium, folder, left).catch(() => {});
      return location;
    },
    async discardUpload(id, digest, mayChange = async () => {}) {
      const folder = folderOf(id);
      for await (const unfinished of medium.listUnfinished(folder)) {
        await mayChange();
        await medium.abort(unfinished);
      }
      const { objects, committed } = await look(id);
      await mayChange();
      await deleteAll(medium, folder, objects);
      if (digest !== undefined && committed.includes(digest)) await dropBlob(id, digest);
    },
    async openBlob(location) {
      const { id, digest } = placeOf(location);
      const index = await findIndex(id, digest);
      if (index === undefined) throw new AppError("BLOB_UNKNOWN", "the blob's bytes are not in storage");
      const release = deletes.hold(location);
      const reader = createSegmentReader(medium, folderOf(id), index.segments, release);
      return {
        ...reader,
        async read(buffer, position) {
          try {
            return await reader.read(buffer, position);
          } catch (error) {
            // It was removed, and perhaps written anew, by another process: the next look is at what is there now.
            if (error instanceof AppError && error.code === "BLOB_UNKNOWN") indexes.delete(location);
            throw error;
          }
        },
      };
    },
    async hasWhole(location, sizeBytes) {
      const { id, digest } = placeOf(location);
      indexes.delete(location);
      const index = await findIndex(id, digest);
      if (index?.sizeBytes !== sizeBytes) return false;
      return areThere(index.segments, await readSizes(medium, folderOf(id)));
    },
    async deleteBlob(location) {
      const { id, digest } = placeOf(location);
      await dropBlob(id, digest);
    },
    list: () => listStored(medium, probePrefix),
    async probe() {
      const key = `${probePrefix}${crypto.randomUUID()}`;
      const bytes = Buffer.from("entrepot");
      await medium.put(key, bytes);
      try {
        const back = await medium.getWhole(key);
        if (back === undefined || !back.equals(bytes)) {
          throw new Error("the object store gave back other bytes than were written");
        }
      } finally {
        await medium.delete([key]);
      }
    },
    async signUrl(location, reply) {
      const { id, digest } = placeOf(location);
      const index = await findIndex(id, digest);
      const [only, second] = index?.segments ?? [];
      if (only === undefined || second !== undefined) return undefined;
      return medium.signUrl(folderOf(id) + only.name, reply);
    },
    close: () => medium.close(),
  };

  /** The index first: from then on the blob is unknown. Its bytes when nobody here reads them any more. */
  async function dropBlob(id: UploadId, digest: Digest): Promise<void> {
    const folder = folderOf(id);
    const location = locationOf(id, digest);
    indexes.delete(location);
    const index = await findIndex(id, digest);
    if (index === undefined) return;
    await medium.delete([folder + indexNameOf(digest)]);
    indexes.delete(location);
    await deletes.delete(
      location,
      index.segments.map(({ name }) => folder + name),
    );
  }
}

/** The chain's first `offsetBytes` bytes, and nothing else left: what lies wholly beyond is deleted, what lies across is shortened. Whatever a crash leaves is still one chain. */
async function cutChain(
  medium: ObjectMedium,
  folder: string,
  { chain, loose }: { readonly chain: readonly PlacedSegment[]; readonly loose: readonly string[] },
  offsetBytes: number,
): Promise<readonly PlacedSegment[]> {
  const beyond = chain.filter(({ start }) => start >= offsetBytes);
  const kept = chain.slice(0, chain.length - beyond.length);
  const last = kept.at(-1);
  const across = last !== undefined && endOf(kept) > offsetBytes ? last : undefined;
  const standsFor = across === undefined ? [] : (parseSegmentName(across.name)?.replaces ?? []);
  const isStoodFor = (name: string) => standsFor.includes(parseSegmentName(name)?.nonce ?? "");
  await deleteAll(
    medium,
    folder,
    loose.filter((name) => !isStoodFor(name)),
  );
  // The last first.
  const gone = beyond.toReversed().flatMap(({ objects }) => objects.map(({ name }) => name));
  await deleteAll(medium, folder, gone);
  if (across === undefined) return kept;
  const lengthBytes = offsetBytes - across.start;
  if (standsFor.length === 0) {
    return [...kept.slice(0, -1), await cutByMark(medium, folder, across, lengthBytes)];
  }
  const anew = await writeBeginning(medium, folder, across, { lengthBytes, standsFor });
  await deleteAll(medium, folder, loose.filter(isStoodFor));
  await deleteAll(
    medium,
    folder,
    across.objects.map(({ name }) => name),
  );
  return [...kept.slice(0, -1), anew];
}

async function cutByMark(
  medium: ObjectMedium,
  folder: string,
  segment: PlacedSegment,
  lengthBytes: number,
): Promise<PlacedSegment> {
  const [bytes, olderCut] = segment.objects;
  if (bytes === undefined) return segment;
  const nonce = newNonce();
  // A cut of what is cut already is made anew, from the bytes; the older one goes first, as two would contradict each other.
  if (olderCut !== undefined) await medium.delete([folder + olderCut.name]);
  const name = newCutName(segment.start, nonce, { lengthBytes, of: bytes.nonce });
  await medium.put(folder + name, Buffer.alloc(0));
  return { ...segment, sizeBytes: lengthBytes, objects: [bytes, { name, nonce }] };
}

/**
 * The beginning of a segment that stands for others, as one of its own: nobody has acknowledged it as a whole, so who wrote it may still come and take it back, or remove
 * what it stands for. What is gone on with must depend on neither.
 */
async function writeBeginning(
  medium: ObjectMedium,
  folder: string,
  segment: PlacedSegment,
  { lengthBytes, standsFor }: { readonly lengthBytes: number; readonly standsFor: readonly string[] },
): Promise<PlacedSegment> {
  const nonce = newNonce();
  const replaces = [...segment.objects.map((object) => object.nonce), ...standsFor];
  const name = newSegmentName(segment.start, nonce, replaces);
  await medium.put(folder + name, await readSegment(medium, folder, { ...segment, sizeBytes: lengthBytes }));
  return { start: segment.start, name, sizeBytes: lengthBytes, objects: [{ name, nonce }] };
}

function takeBytes(chain: readonly PlacedSegment[], sizeBytes: number) {
  return chain
    .filter(({ start }) => start < sizeBytes)
    .map(({ name, start, sizeBytes: size }) => ({ name, sizeBytes: Math.min(size, sizeBytes - start) }));
}

async function deleteAll(medium: ObjectMedium, folder: string, names: readonly string[]): Promise<void> {
  if (names.length > 0) await medium.delete(names.map((name) => folder + name));
}

function tooShort(id: UploadId, sizeBytes: number): AppError {
  return new AppError("BLOB_UPLOAD_UNKNOWN", `upload ${id} does not have its ${sizeBytes} bytes in storage`);
}
