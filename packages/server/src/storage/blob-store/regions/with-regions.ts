import { AppError } from "../../../lib/app-error.ts";
import type { BlobLocation, BlobReader, BlobStore, BlobWriter, MayChange, UploadId } from "../blob-store.ts";
import { createFailoverReader, type OpenedIn } from "./failover-reader.ts";
import { inRegion, type Region } from "./region.ts";
import { regionOfLocation, regionOfUpload } from "./region-name.ts";
import { isAnswer } from "./region-watch.ts";

/** One store over several regions. What is told about single regions is for those who keep them alike. */
export interface RegionalBlobStore extends BlobStore {
  /** This process's own first, then in the order in which they are asked. */
  readonly regions: readonly Region[];
  /**
   * Deletes a blob's bytes in every region that answers; tells the others, where it is still to be done. Nothing there: no error.
   */
  deleteWhereReachable(location: BlobLocation): Promise<readonly string[]>;
  /** As `openBlob`, from any region but that one. */
  openOutside(region: string, location: BlobLocation): Promise<BlobReader>;
  /** How many blobs this process has opened in each region. */
  readonly reads: () => ReadonlyMap<string, number>;
}

/** Without an answer for so long, the next region is asked as well. */
const hedgeMs = 2_000;
const answerMs = 15_000;

/**
 * Blobs in several regions, in each under the same location: a copy is made by an upload of the same id. So a read needs no table: the own region is asked first,
 * then the one that the location names as its beginning, then the rest; one that fails comes last. An upload lies in the region that its id
 * names until it is committed, whichever instance goes on with it. The bytes are copied by others (`operations/regions`).
 *
 * `BLOB_UNKNOWN` only when every region says so: while one that may have it does not answer it is `UNAVAILABLE`.
 */
export function withRegions(regions: readonly Region[]): RegionalBlobStore {
  const reads = new Map<string, number>();
  const named = (name: string | undefined) => regions.find((region) => region.name === name);

  /** The region that alone has an upload; several when it began before there were regions, or in one that is gone. */
  function homesOf(id: UploadId): readonly Region[] {
    const home = named(regionOfUpload(id));
    return home === undefined ? regions : [home];
  }

  async function firstThatKnows<T>(id: UploadId, work: (store: BlobStore) => Promise<T>): Promise<T> {
    let first: unknown;
    for (const region of homesOf(id)) {
      try {
        return await inRegion(region, answerMs, work);
      } catch (error) {
        const isUnknown = error instanceof AppError && error.code === "BLOB_UPLOAD_UNKNOWN";
        if (!isUnknown) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  function readingOrder(location: BlobLocation, but?: ReadonlySet<Region>): readonly Region[] {
    const home = named(regionOfLocation(location));
    const [own, ...others] = regions.filter((region) => but?.has(region) !== true);
    const rest = others.toSorted((left, right) => Number(right === home) - Number(left === home));
    const all = own === undefined ? [] : [own, ...rest];
    return all.toSorted((left, right) => Number(left.watch.isDoubtful()) - Number(right.watch.isDoubtful()));
  }

  async function open(location: BlobLocation, but?: ReadonlySet<Region>): Promise<OpenedIn> {
    const order = readingOrder(location, but);
    const shut = (reader: BlobReader) => void reader.close().catch(() => {});
    const tries = order.map((region) => ({
      slow: () => region.watch.wasSlow(),
      begin: async (): Promise<OpenedIn> => ({
        region,
        reader: await inRegion(region, answerMs, (store) => store.openBlob(location), shut, false),
      }),
    }));
    const opened = await firstSuccess(tries, ({ reader }) => void reader.close().catch(() => {}));
    return opened;
  }

  async function openSafely(location: BlobLocation, but: ReadonlySet<Region>): Promise<OpenedIn> {
    const first = await open(location, but);
    const reader = createFailoverReader(first, async (failed) => {
      const out = new Set([...but, ...failed]);
      if (out.size === regions.length) return undefined;
      return open(location, out).catch(() => undefined);
    });
    return { region: first.region, reader };
  }

  /** Its last byte is read: that it can be opened may be remembered from before it was removed there, and whoever is sent there has nowhere else to go. */
  async function findRegionThatHas(location: BlobLocation): Promise<Region> {
    const failed = new Set<Region>();
    // What says more than "not there", if there is such.
    let failure: unknown;
    const note = (error: unknown) => {
      failure = failure === undefined || isAnswer(failure) ? error : failure;
      return failure;
    };
    for (;;) {
      const { region, reader } = await open(location, failed).catch((error: unknown) => {
        throw note(error);
      });
      const read = async () => reader.read(Buffer.alloc(1), reader.sizeBytes - 1);
      try {
        if (reader.sizeBytes > 0) await inRegion(region, answerMs, read);
        return region;
      } catch (error) {
        failed.add(region);
        note(error);
        if (failed.size === regions.length) throw failure;
      } finally {
        await reader.close().catch(() => {});
      }
    }
  }

  const watchWriter = (region: Region, writer: BlobWriter): BlobWriter => {
    const noting = async (work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        region.watch.failed(error);
        throw error;
      }
    };
    return {
      append: (chunks) => noting(writer.append(chunks)),
      sync: () => noting(writer.sync()),
      close: () => writer.close(),
    };
  };

  async function deleteWhereReachable(location: BlobLocation): Promise<readonly string[]> {
    const outcomes = await Promise.allSettled(
      regions.map((region) => inRegion(region, answerMs, (store) => store.deleteBlob(location))),
    );
    return regions.filter((_, index) => outcomes[index]?.status === "rejected").map(({ name }) => name);
  }

  return {
    regions,
    deleteWhereReachable,
    async openUpload(id, offsetBytes, mayChange) {
      const homes = offsetBytes === 0 ? homesOf(id).slice(0, 1) : homesOf(id);
      let first: unknown;
      for (const region of homes) {
        try {
          const shut = (writer: BlobWriter) => void writer.close().catch(() => {});
          const open = (store: BlobStore, may: MayChange) => store.openUpload(id, offsetBytes, may);
          return watchWriter(region, await changing(region, mayChange, open, shut));
        } catch (error) {
          if (!isAnswer(error)) throw error;
          first ??= error;
        }
      }
      throw first;
    },
    openUploadForReading: (id, sizeBytes) =>
      firstThatKnows(id, (store) => store.openUploadForReading(id, sizeBytes)),
    commitUpload: (id, digest, sizeBytes) =>
      firstThatKnows(id, (store) => store.commitUpload(id, digest, sizeBytes)),
    async discardUpload(id, digest, mayChange) {
      for (const region of homesOf(id)) {
        await changing(region, mayChange, (store, may) => store.discardUpload(id, digest, may));
      }
    },
    async openBlob(location) {
      const { region, reader } = await openSafely(location, new Set());
      reads.set(region.name, (reads.get(region.name) ?? 0) + 1);
      return reader;
    },
    async hasWhole(location, sizeBytes) {
      let failure: unknown;
      for (const region of readingOrder(location)) {
        try {
          if (await inRegion(region, answerMs, (store) => store.hasWhole(location, sizeBytes))) return true;
        } catch (error) {
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
      return false;
    },
    async openOutside(name, location) {
      const but = new Set(regions.filter((region) => region.name === name));
      return (await openSafely(location, but)).reader;
    },
    reads: () => reads,
    async deleteBlob(location) {
      const left = await deleteWhereReachable(location);
      if (left.length === 0) return;
      throw new AppError("UNAVAILABLE", `the storage region ${left.join(", ")} does not answer`);
    },
    async signUrl(location, reply) {
      const region = await findRegionThatHas(location);
      return inRegion(region, answerMs, (store) => store.signUrl(location, reply));
    },
    async *list() {
      for (const { store } of regions) yield* store.list();
    },
    async probe() {
      const probes = regions.map((region) => inRegion(region, answerMs, (store) => store.probe()));
      const outcomes = await Promise.allSettled(probes);
      const [first] = outcomes.flatMap((outcome) =>
        outcome.status === "rejected" ? [outcome.reason as unknown] : [],
      );
      if (outcomes.every(({ status }) => status === "rejected")) throw first;
    },
    async close() {
      for (const { store } of regions) await store.close();
    },
  };
}

/** As `inRegion`, for what changes an upload: of what was given up, and still goes on behind it, nothing is changed any more on account of a look that comes late. */
async function changing<T>(
  region: Region,
  mayChange: MayChange | undefined,
  work: (store: BlobStore, may: MayChange) => Promise<T>,
  tooLate?: (result: T) => void,
): Promise<T> {
  let isGivenUp = false;
  const may = async (): Promise<void> => {
    await mayChange?.();
    if (isGivenUp) throw new AppError("CONFLICT", "this was given up, as the storage region did not answer");
  };
  try {
    return await inRegion(region, answerMs, (store) => work(store, may), tooLate);
  } catch (error) {
    isGivenUp = true;
    throw error;
  }
}

/**
 * The first that succeeds, begun one after the other: the next when one fails, or has not answered for a while. What succeeds too late is given to
 * `surplus`. When all fail: an error that says more than "not there", if there is one.
 */
async function firstSuccess<T>(
  tries: readonly { readonly begin: () => Promise<T>; readonly slow: () => void }[],
  surplus: (result: T) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const errors: unknown[] = [];
  let [begun, isDone] = [0, false];
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    clearTimeout(timer);
    const next = tries[begun];
    if (next === undefined || isDone) return;
    begun += 1;
    if (begun < tries.length) {
      timer = setTimeout(() => {
        next.slow();
        begin();
      }, hedgeMs);
    }
    next.begin().then(
      (result) => {
        if (isDone) return surplus(result);
        isDone = true;
        clearTimeout(timer);
        resolve(result);
      },
      (error: unknown) => {
        errors.push(error);
        if (errors.length === tries.length) reject(errors.find((one) => !isAnswer(one)) ?? error);
        else begin();
      },
    );
  };
  begin();
  if (tries.length === 0) reject(new AppError("UNAVAILABLE", "no storage region is left to ask"));
  return promise;
}
